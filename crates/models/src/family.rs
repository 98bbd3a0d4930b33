//! The input of published networks, by family.

use earmark_features::{FrontEnd, InputScaling, Padding, Scaling, WindowAggregation, Windowing};
use earmark_nets::{Variant, variants};

use crate::ModelError;

/// Clips up to this length are tagged whole, longer ones in windows.
const SECONDS: f64 = 10.0;
const HOP_SECONDS: f64 = 5.0;
/// Shorter clips are filled up with silence.
const LEAST_SECONDS: f64 = 1.0;

/// What the networks of a family were trained on.
pub(crate) struct Family {
    pub features: FrontEnd,
    pub scaling: InputScaling,
    pub windows: Windowing,
    pub paper: &'static str,
}

impl Family {
    /// The family of a network.
    ///
    /// # Errors
    /// Its features are not known.
    pub fn of(variant: &Variant) -> Result<Self, ModelError> {
        let (features, scaling, silence, paper) = match variant.family {
            "mn" => (
                FrontEnd::efficientat(),
                InputScaling::Fixed(Scaling::efficientat()),
                (1e-5f32.ln() + 4.5) / 5.0,
                "F. Schmid, K. Koutini, G. Widmer: Efficient Large-Scale Audio Tagging via Transformer-to-CNN \
                 Knowledge Distillation, ICASSP 2023, arXiv 2211.04772",
            ),
            "cnn14" => (
                FrontEnd::panns(),
                InputScaling::None,
                -100.0,
                "Q. Kong et al.: PANNs: Large-Scale Pretrained Audio Neural Networks for Audio Pattern Recognition, \
                 IEEE/ACM TASLP 2020, arXiv 1912.10211",
            ),
            _ => {
                let known = variants().filter(|variant| ["mn", "cnn14"].contains(&variant.family));
                let known = known.map(|variant| variant.name.to_owned()).collect();
                return Err(ModelError::NoFrontEnd { arch: variant.name.to_owned(), known });
            }
        };
        Ok(Self { windows: windows(&features, silence), features, scaling, paper })
    }
}

/// Whole clips of up to 10 s, else windows of 10 s every 5 s; `silence` is the input of the network
/// for silence.
fn windows(features: &FrontEnd, silence: f32) -> Windowing {
    let per_second = features.frames_per_second();
    let samples = (SECONDS * f64::from(features.sample_rate())) as usize;
    let whole = features.mel().map_or(samples, |mel| mel.frames(samples));
    Windowing {
        frames: whole,
        hop: (HOP_SECONDS * per_second) as usize,
        padding: Padding::Zero,
        pad_value: silence,
        average: WindowAggregation::Probabilities,
        least_frames: Some((LEAST_SECONDS * per_second) as usize),
    }
}
