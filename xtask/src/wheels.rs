//! The native libraries, and the wheels that contain them: pinned versions and digests.

/// A native library that Earmark loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    Torch,
    XgBoost,
    OnnxRuntime,
}

pub const LIBRARIES: [Library; 3] = [Library::Torch, Library::XgBoost, Library::OnnxRuntime];

impl Library {
    /// The variable that selects another copy; it has precedence.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Torch => "LIBTORCH",
            Self::XgBoost => "EARMARK_XGBOOST_LIB",
            Self::OnnxRuntime => "ORT_DYLIB_PATH",
        }
    }

    /// The meaning of that variable.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Torch => "the folder of libtorch 2.11.0, with lib/ and include/ in it",
            Self::XgBoost => "the file libxgboost.so, version 3.2",
            Self::OnnxRuntime => "the file libonnxruntime.so, version 1.24 or newer",
        }
    }

    /// The file in `.native/` whose existence shows that the library is installed.
    pub fn file(self) -> &'static str {
        match self {
            Self::Torch => "torch/lib/libtorch_cpu.so",
            Self::XgBoost => "xgboost/lib/libxgboost.so",
            Self::OnnxRuntime => "onnxruntime/capi/libonnxruntime.so.1.32.0",
        }
    }

    /// The name in `.native/lib/` from which it is loaded at run time; libtorch is linked instead.
    pub fn link(self) -> Option<&'static str> {
        match self {
            Self::Torch => None,
            Self::XgBoost => Some("libxgboost.so"),
            Self::OnnxRuntime => Some("libonnxruntime.so"),
        }
    }
}

/// A wheel. The versions of NVIDIA's wheels are those in the metadata of torch 2.11.0, including
/// the parts of `cuda-toolkit` 13.0.2.
pub struct Wheel {
    pub library: Library,
    pub name: &'static str,
    pub version: &'static str,
    /// SHA-256 of the files for x86-64 and for AArch64.
    pub sha256: [&'static str; 2],
    /// The files for a CPU install, as shell patterns; empty if only CUDA needs the wheel.
    pub cpu: &'static [&'static str],
    /// The files for a CUDA install.
    pub cuda: &'static [&'static str],
}

impl Wheel {
    /// The patterns of the files for this kind of install.
    pub fn keep(&self, cuda: bool) -> &'static [&'static str] {
        if cuda { self.cuda } else { self.cpu }
    }
}

/// A wheel that only CUDA needs.
const fn nvidia(name: &'static str, version: &'static str, sha256: [&'static str; 2]) -> Wheel {
    Wheel { library: Library::Torch, name, version, sha256, cpu: &[], cuda: &["nvidia/*/lib/*.so*"] }
}

pub const WHEELS: &[Wheel] = &[
    Wheel {
        library: Library::Torch,
        name: "torch",
        version: "2.11.0",
        sha256: [
            "7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a",
            "d91aac77f24082809d2c5a93f52a5f085032740a1ebc9252a7b052ef5a4fddc6",
        ],
        cpu: &[
            "torch/include/*",
            "torch/lib/libc10.so",
            "torch/lib/libtorch.so",
            "torch/lib/libtorch_cpu.so",
            "torch/lib/libgomp*",
            "torch/lib/libgfortran*",
            "torch/lib/libarm_compute*",
            "torch/lib/libnvpl*",
        ],
        cuda: &["torch/include/*", "torch/lib/lib[!t]*.so*", "torch/lib/libtorch.so", "torch/lib/libtorch_[!p]*.so"],
    },
    Wheel {
        library: Library::Torch,
        name: "nvidia-cuda-runtime",
        version: "13.0.96",
        sha256: [
            "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
            "ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55",
        ],
        cpu: &["nvidia/cu13/lib/libcudart.so.*"],
        cuda: &["nvidia/*/lib/*.so*"],
    },
    Wheel {
        library: Library::Torch,
        name: "nvidia-cuda-cupti",
        version: "13.0.85",
        sha256: [
            "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
            "796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151",
        ],
        cpu: &["nvidia/cu13/lib/libcupti.so.*"],
        cuda: &["nvidia/*/lib/*.so*"],
    },
    Wheel {
        library: Library::XgBoost,
        name: "xgboost-cpu",
        version: "3.2.0",
        sha256: [
            "9c10b1653e1a689bf4094a328144cf3633c9be0e5217a76fbdc2fde6abcb2950",
            "896b9e2bc52ec0921edf92ddd1cebedf47032e94992b7aca0293524d380ce6e9",
        ],
        cpu: &["xgboost/lib/*", "xgboost_cpu.libs/*"],
        cuda: &[],
    },
    Wheel {
        library: Library::XgBoost,
        name: "xgboost",
        version: "3.2.0",
        sha256: [
            "99b4a6bbcb47212fec5cf5fbe12347215f073c08967431b0122cfbd1ee70312c",
            "852eabc6d3b3702a59bf78dbfdcd1cb9c4d3a3b6e5ed1f8781d8b9512354fdd2",
        ],
        cpu: &[],
        cuda: &["xgboost/lib/*", "xgboost.libs/*"],
    },
    Wheel {
        library: Library::OnnxRuntime,
        name: "onnxruntime",
        version: "1.32.0",
        sha256: [
            "5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d",
            "2303372a85299b6757b0e11e1cbf13e410ddf7e10c37f4b37e99d1c90e7daf7c",
        ],
        cpu: &["onnxruntime/capi/libonnxruntime*"],
        cuda: &["onnxruntime/capi/libonnxruntime*"],
    },
    nvidia(
        "nvidia-cublas",
        "13.1.0.3",
        [
            "ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171",
            "c86fc7f7ae36d7528288c5d88098edcb7b02c633d262e7ddbb86b0ad91be5df2",
        ],
    ),
    nvidia(
        "nvidia-cuda-nvrtc",
        "13.0.88",
        [
            "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575",
            "d27f20a0ca67a4bb34268a5e951033496c5b74870b868bacd046b1b8e0c3267b",
        ],
    ),
    nvidia(
        "nvidia-cufft",
        "12.0.0.61",
        [
            "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3",
            "2708c852ef8cd89d1d2068bdbece0aa188813a0c934db3779b9b1faa8442e5f5",
        ],
    ),
    nvidia(
        "nvidia-cufile",
        "1.15.1.6",
        [
            "08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44",
            "bdc0deedc61f548bddf7733bdc216456c2fdb101d020e1ab4b88d232d5e2f6d1",
        ],
    ),
    nvidia(
        "nvidia-curand",
        "10.4.0.35",
        [
            "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc",
            "133df5a7509c3e292aaa2b477afd0194f06ce4ea24d714d616ff36439cee349a",
        ],
    ),
    nvidia(
        "nvidia-cusolver",
        "12.0.4.66",
        [
            "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112",
            "02c2457eaa9e39de20f880f4bd8820e6a1cfb9f9a34f820eb12a155aa5bc92d2",
        ],
    ),
    nvidia(
        "nvidia-cusparse",
        "12.6.3.3",
        [
            "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b",
            "80bcc4662f23f1054ee334a15c72b8940402975e0eab63178fc7e670aa59472c",
        ],
    ),
    nvidia(
        "nvidia-nvjitlink",
        "13.0.88",
        [
            "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b",
            "e931536ccc7d467a98ba1d8b89ff7fa7f1fa3b13f2b0069118cd7f47bff07d0c",
        ],
    ),
    nvidia(
        "nvidia-nvtx",
        "13.0.85",
        [
            "4936d1d6780fbe68db454f5e72a42ff64d1fd6397df9f363ae786930fd5c1cd4",
            "cb7780edb6b14107373c835bf8b72e7a178bac7367e23da7acb108f973f157a6",
        ],
    ),
    nvidia(
        "nvidia-cudnn-cu13",
        "9.19.0.56",
        [
            "d20e1734305e9d68889a96e3f35094d733ff1f83932ebe462753973e53a572bf",
            "6ed29ffaee1176c612daf442e4dd6cfeb6a0caa43ddcbeb59da94953030b1be4",
        ],
    ),
    nvidia(
        "nvidia-cusparselt-cu13",
        "0.8.0",
        [
            "25e30a8a7323935d4ad0340b95a0b69926eee755767e8e0b1cf8dd85b197d3fd",
            "400c6ed1cf6780fc6efedd64ec9f1345871767e6a1a0a552a1ea0578117ea77c",
        ],
    ),
    nvidia(
        "nvidia-nccl-cu13",
        "2.28.9",
        [
            "e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42",
            "01c873ba1626b54caa12272ed228dc5b2781545e0ae8ba3f432a8ef1c6d78643",
        ],
    ),
    nvidia(
        "nvidia-nvshmem-cu13",
        "3.4.5",
        [
            "290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80",
            "6dc2a197f38e5d0376ad52cd1a2a3617d3cdc150fd5966f4aee9bcebb1d68fe9",
        ],
    ),
];
