//! GPU memory: recognizes libtorch's out-of-memory errors, and estimates the batch size that would
//! fit.

/// The memory that a training step needs, counted from the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Demand {
    /// Bytes that do not depend on the batch: parameters, their gradients, the optimizer's state.
    pub fixed: u64,
    /// Bytes per crop: the output of every node, which the backward pass needs. Some outputs are
    /// not kept, and the backward pass needs extra memory, so this is an estimate.
    pub per_crop: u64,
}

impl Demand {
    /// Bytes of a step with a batch of this size.
    pub fn of_batch(self, batch_size: usize) -> u64 {
        self.fixed.saturating_add(self.per_crop.saturating_mul(batch_size as u64))
    }

    /// Whether even half of the estimate, which is less than any step needs, exceeds `total` bytes.
    pub fn can_never_fit(self, batch_size: usize, total: u64) -> bool {
        self.fixed.saturating_add(self.per_crop.saturating_mul(batch_size as u64) / 2) > total
    }

    /// The largest power of two that fits into `total` bytes by the estimate; `None` if not even 2
    /// does.
    pub fn largest_batch(self, total: u64) -> Option<usize> {
        power_of_two(total.checked_sub(self.fixed)? / self.per_crop.max(1))
    }
}

/// The largest power of two up to `most`, from 2 on.
fn power_of_two(most: u64) -> Option<usize> {
    (most >= 2).then(|| 1 << most.ilog2())
}

/// The sizes in libtorch's message about a failed allocation, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refused {
    tried: u64,
    free: u64,
    allocated: u64,
    reserved: u64,
}

/// Whether this is an out-of-memory error of a GPU; libtorch's libraries have their own messages.
pub(crate) fn is_used_up(text: &str) -> bool {
    const WORDS: [&str; 5] = [
        "CUDA out of memory",
        "CUDA error: out of memory",
        "CUBLAS_STATUS_ALLOC_FAILED",
        "CUDNN_STATUS_ALLOC_FAILED",
        // libtorch tries one convolution after the other, and drops the reason of each.
        "unable to find an engine to execute",
    ];
    WORDS.iter().any(|words| text.contains(words))
}

/// An estimate of the largest power of two below `batch_size` that would fit; `None` if not even 2
/// would.
///
/// When the allocation failed, the step had requested `allocated + tried` bytes, but it may have
/// needed much more. So the estimate also uses the network's own demand, and the smaller result
/// counts.
pub(crate) fn batch_that_fits(text: &str, batch_size: usize, demand: Demand) -> Option<usize> {
    let most = match Refused::parse(text) {
        None => batch_size as u64 / 2,
        Some(Refused { tried, free, allocated, reserved }) => {
            let room = free + allocated + reserved;
            let by_failure = (u128::from(room) * batch_size as u128 / u128::from((allocated + tried).max(1))) as u64;
            by_failure.min(room.saturating_sub(demand.fixed) / demand.per_crop.max(1))
        }
    };
    power_of_two(most.min(batch_size.saturating_sub(1) as u64))
}

/// libtorch's message without its advice on environment variables, which helps only with fragmented
/// memory.
pub(crate) fn said(text: &str) -> &str {
    text.split(" If reserved but").next().unwrap_or(text)
}

/// Bytes of the GPU that other processes use, if they are enough to matter.
pub(crate) fn taken_by_others(text: &str) -> Option<u64> {
    /// What a process needs besides tensors, which libtorch does not count, is less.
    const MATTERS: u64 = 2 << 30;
    let Refused { free, allocated, reserved, .. } = Refused::parse(text)?;
    let total = size(text.split("has a total capacity of ").nth(1)?)?;
    let own = text.split("this process has ").nth(1).and_then(size).unwrap_or(0).max(allocated + reserved);
    total.checked_sub(free.saturating_add(own)).filter(|&others| others >= MATTERS)
}

impl Refused {
    fn parse(text: &str) -> Option<Self> {
        Some(Self {
            tried: size(text.split("Tried to allocate ").nth(1)?)?,
            free: size(text.split("of which ").nth(1)?)?,
            allocated: size(text.split("Of the allocated memory ").nth(1)?)?,
            // The message may list the memory of CUDA graphs before this.
            reserved: size(text.split(" is reserved by PyTorch").next()?.rsplit("and ").next()?)?,
        })
    }
}

/// Parses the size at the start of a text, in libtorch's format: `22.78 GiB`, `0 bytes`.
fn size(text: &str) -> Option<u64> {
    let (number, rest) = text.split_once(' ')?;
    let unit = match rest.get(..3)? {
        "byt" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some((number.parse::<f64>().ok()? * unit) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const GIB: f64 = (1u64 << 30) as f64;

    // From reports of PyTorch users.
    const H100: &str = "CUDA out of memory. Tried to allocate 1.25 GiB. GPU 1 has a total capacity of 93.02 GiB of \
        which \
        1.18 GiB is free. Process 2752205 has 91.82 GiB memory in use. Of the allocated memory 90.63 GiB is allocated \
        by \
        PyTorch, and 120.54 MiB is reserved by PyTorch but unallocated. If reserved but unallocated memory is large \
        try \
        setting PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation.  See documentation for Memory \
        Management  (https://pytorch.org/docs/stable/notes/cuda.html#environment-variables)";
    const GRAPHS: &str = "CUDA out of memory. Tried to allocate 22.00 MiB. GPU 0 has a total capacity of 23.65 GiB of \
        which \
        11.06 MiB is free. Including non-PyTorch memory, this process has 23.60 GiB memory in use. Of the allocated \
        memory \
        22.90 GiB is allocated by PyTorch, with 54.00 MiB allocated in private pools (e.g., CUDA Graphs), and 194.87 \
        MiB is \
        reserved by PyTorch but unallocated. If reserved but unallocated memory is large try setting \
        PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation.";
    const FULL: &str = "CUDA out of memory. Tried to allocate 27.12 GiB. GPU 0 has a total capacity of 11.99 GiB of \
        which 0 \
        bytes is free. Including non-PyTorch memory, this process has 17179869181.38 GiB memory in use. Of the \
        allocated \
        memory 16.16 GiB is allocated by PyTorch, and 144.59 MiB is reserved by PyTorch but unallocated.";

    fn gib(value: f64) -> u64 {
        (value * GIB) as u64
    }

    #[test]
    fn numbers_are_read() {
        let mib = |value: f64| (value * MIB as f64) as u64;
        let h100 = Refused { tried: gib(1.25), free: gib(1.18), allocated: gib(90.63), reserved: mib(120.54) };
        assert_eq!(Refused::parse(H100), Some(h100));
        let graphs = Refused { tried: 22 * MIB, free: mib(11.06), allocated: gib(22.90), reserved: mib(194.87) };
        assert_eq!(Refused::parse(GRAPHS), Some(graphs));
        let full = Refused { tried: gib(27.12), free: 0, allocated: gib(16.16), reserved: mib(144.59) };
        assert_eq!(Refused::parse(FULL), Some(full));
        for text in ["", "CUDA error: out of memory", "CUDA out of memory. Tried to allocate -", &H100[..150]] {
            assert_eq!(Refused::parse(text), None, "{text}");
        }
        assert!(said(H100).ends_with("120.54 MiB is reserved by PyTorch but unallocated."), "{}", said(H100));
    }

    #[test]
    fn the_batch_that_fits_is_a_power_of_two_below_the_one_that_did_not() {
        let small = Demand { fixed: 0, per_crop: 1 };
        let fits = |text, batch_size, per_crop| {
            batch_that_fits(text, batch_size, Demand { fixed: gib(1.0), per_crop: gib(per_crop) })
        };
        // 91.93 GiB are available, and 91.88 were requested: judging by the failure alone, a batch
        // almost as large would fit.
        assert_eq!(batch_that_fits(H100, 128, small), Some(64));
        assert_eq!(batch_that_fits(H100, 96, small), Some(64));
        // 16.3 GiB are available, and 43.28 were requested.
        assert_eq!(batch_that_fits(FULL, 64, small), Some(16));
        // The allocation failed early: 90.93 GiB hold 45 crops of 2 GiB.
        assert_eq!(fits(H100, 1024, 2.0), Some(32));
        assert_eq!(fits(H100, 1024, 30.0), Some(2));
        assert_eq!(fits(H100, 1024, 60.0), None);
        assert_eq!(batch_that_fits(H100, 2, small), None);
        // The message has no sizes.
        assert_eq!(batch_that_fits("CUDA error: out of memory", 100, small), Some(32));
        assert_eq!(batch_that_fits("CUDA error: out of memory", 3, small), None);
    }

    #[test]
    fn what_can_never_fit_is_known_before() {
        let demand = Demand { fixed: 100, per_crop: 10 };
        let never = |batch_size| demand.can_never_fit(batch_size, 1_000);
        assert_eq!([64, 90, 180, 182].map(never), [false, false, false, true], "half of the estimate counts");
        assert_eq!(demand.of_batch(64), 740);
        let largest = |total| demand.largest_batch(total);
        assert_eq!([1_000, 120, 119, 99].map(largest), [Some(64), Some(2), None, None]);
        let kernel = Demand { fixed: 2_000, per_crop: 0 };
        assert!(kernel.can_never_fit(0, 1_000) && !kernel.can_never_fit(0, 2_000));
    }

    #[test]
    fn what_others_take_is_the_rest() {
        let shared =
            GRAPHS.replace("23.60 GiB memory in use", "13.60 GiB memory in use").replace("22.90 GiB", "12.90 GiB");
        let others = taken_by_others(&shared).unwrap();
        assert!(others.abs_diff(gib(23.65 - 13.60)) < 20 * MIB, "{others}");
        for text in [H100, GRAPHS, FULL, "CUDA error: out of memory"] {
            assert_eq!(taken_by_others(text), None, "{text}");
        }
    }

    #[test]
    fn other_faults_are_not_mistaken_for_it() {
        let of_cudnn = "GET was unable to find an engine to execute this computation";
        let of_cublas = "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`";
        for text in [H100, GRAPHS, FULL, of_cublas, of_cudnn] {
            assert!(is_used_up(text));
        }
        for text in ["CUDA error: an illegal memory access was encountered", "DefaultCPUAllocator: not enough memory"] {
            assert!(!is_used_up(text));
        }
    }
}
