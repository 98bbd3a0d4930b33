//! Weights become a bundle in the folder of models.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use earmark_features::{Activation, Layers};
use earmark_nets::{Graph, Weights, find, to_onnx_with_embeddings};
use earmark_tagging::{Bundle, Embedding, Learner, ModelStore, Network, Origin};

use crate::family::Family;
use crate::{ClassList, ModelError};

/// Installs the weights in a file, of the network `arch` and from `origin`, as the model `name`.
///
/// # Errors
/// Those of [`crate::import`].
pub(crate) fn install(
    store: &ModelStore,
    name: &str,
    path: &Path,
    arch: &str,
    classes: &ClassList,
    origin: Origin,
) -> Result<PathBuf, ModelError> {
    let variant = find(arch)?;
    let family = Family::of(variant)?;
    let unfit = |source| {
        let (path, source) = (path.to_owned(), Box::new(source));
        ModelError::Weights { path, arch: arch.to_owned(), source }
    };
    let weights = Weights::read(path).map_err(unfit)?;
    let shape = |source| ModelError::Shape { path: path.to_owned(), source };
    let graph = variant.graph_of(&weights, None).map_err(shape)?;
    weights.check(&graph).map_err(unfit)?;
    if graph.classes() != classes.labels.len() {
        let (list, labels) = (classes.name.clone(), classes.labels.len());
        return Err(ModelError::Classes { path: path.to_owned(), classes: graph.classes(), list, labels });
    }
    let sizes = embedding_sizes(&graph, &family).map_err(shape)?;
    let onnx = to_onnx_with_embeddings(&graph, &weights)?;
    let bundle = bundle(name, arch, classes, family, sizes, origin);
    let files = BTreeMap::from([
        (format!("{name}.onnx"), onnx),
        ("README.md".to_owned(), card(name, arch, &bundle).into_bytes()),
    ]);
    Ok(store.install(name, |folder| bundle.write(folder, files))?)
}

/// Values of the embedding, of its last layer and of the stages.
fn embedding_sizes(graph: &Graph, family: &Family) -> Result<[(Layers, usize); 2], earmark_nets::ShapeError> {
    let (channels, bins) = family.features.shape();
    let shapes = graph.shapes([1, channels, bins, family.windows.frames])?;
    let size = |id: usize| shapes.get(id).and_then(|shape| shape.get(1)).copied().unwrap_or(0);
    let last = graph.embedding().map_or(0, size);
    let stages = graph.stages().into_iter().map(size).sum::<usize>() + last;
    Ok([(Layers::Last, last), (Layers::Stages, stages)])
}

fn bundle(
    name: &str,
    arch: &str,
    classes: &ClassList,
    family: Family,
    sizes: [(Layers, usize); 2],
    origin: Origin,
) -> Bundle {
    let Family { features, scaling, windows, .. } = family;
    let network = Network { file: format!("{name}.onnx"), scaling };
    let embeddings = sizes.map(|(layers, size)| Embedding {
        name: name.to_owned(),
        layers,
        size,
        features: features.clone(),
        windows: windows.clone(),
        network: network.clone(),
    });
    let learner = Learner { name: name.to_owned(), arch: arch.to_owned(), features, windows, networks: vec![network] };
    let mut bundle = Bundle::new(classes.labels.clone(), vec![learner], None, None);
    bundle.ids = classes.ids.clone();
    bundle.activation = Activation::Sigmoid;
    bundle.embeddings = embeddings.to_vec();
    bundle.origin = Some(origin);
    bundle
}

/// The model card.
fn card(name: &str, arch: &str, bundle: &Bundle) -> String {
    let unknown = "not known".to_owned();
    let Origin { source, sha256, licence, paper } = bundle.origin.clone().unwrap_or_default();
    let (licence, paper) = (licence.unwrap_or_else(|| unknown.clone()), paper.unwrap_or(unknown));
    let size = |layers| bundle.embeddings.iter().find(|of| of.layers == layers).map_or(0, |of| of.size);
    let (last, stages) = (size(Layers::Last), size(Layers::Stages));
    let labels: String = bundle.labels.iter().map(|label| format!("- {label}\n")).collect();
    format!(
        "# {name}\n\n\
         A network `{arch}` whose weights were published by others, as a bundle of Earmark {version}: `earmark tag \
         SOUND --model .`\n\n\
         - Source: {source}\n- SHA-256 of the weights: `{sha256}`\n- Licence of the weights: {licence}\n- Paper: \
         {paper}\n\n\
         Each class has a probability of its own; several can be high at once. `{name}.onnx` has the outputs \
         `logits`, `embedding` ({last} values), and `stages` ({stages} values). Clips of up to 10 s are tagged whole, \
         longer ones in windows of 10 s every 5 s, shorter ones than 1 s are filled up with silence. `docs/bundle.md` \
         of Earmark's repository specifies the files.\n\n\
         ## Labels\n\nThose of AudioSet are by Google, under CC BY 4.0.\n\n{labels}",
        version = env!("CARGO_PKG_VERSION"),
    )
}
