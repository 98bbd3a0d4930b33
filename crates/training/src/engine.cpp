// What Earmark needs of libtorch beyond the bindings of `tch`: settings of the GPU's engines,
// its memory, and streams. Everything is in `libtorch_cpu`, which reaches the GPU through virtual
// functions, so that this links without CUDA.
//
// Each function returns null, or a message that `earmark_free` releases.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <vector>

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/core/Tensor.h>
#include <ATen/native/ConvUtils.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <c10/core/AutogradState.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace {
// The allocator, its figures and streams exist once the GPU has been initialized.
void initialize() {
  at::globalContext().lazyInitDevice(c10::DeviceType::CUDA);
}

template <typename Work>
char* caught(Work work) {
  try {
    work();
    return nullptr;
  } catch (const std::exception& error) {
    return strdup(error.what());
  } catch (...) {
    return strdup("unknown error");
  }
}
} // namespace

extern "C" {

void earmark_free(char* text) {
  free(text);
}

char* earmark_configure(bool benchmark, bool tf32, bool deterministic) {
  return caught([=] {
    auto& context = at::globalContext();
    context.setBenchmarkCuDNN(benchmark);
    // By default, each timed convolution returns all cached memory, also that of other jobs.
    at::native::_cudnn_set_conv_benchmark_empty_cache(false);
    context.setAllowTF32CuDNN(tf32);
    context.setAllowTF32CuBLAS(tf32);
    context.setDeterministicCuDNN(deterministic);
    // An operation that has no deterministic kernel warns.
    context.setDeterministicAlgorithms(deterministic, true);
    // Memory that nothing reads need not be filled.
    context.setDeterministicFillUninitializedMemory(false);
  });
}

// Whether libtorch knows of its CUDA part. It looks once, at the first convolution, batch norm or
// backward pass of the process; a part that is loaded later remains unknown.
bool earmark_knows_cuda() {
  return at::detail::getCUDAHooks().compiledWithCuDNN();
}

// out: bytes that are free and that exist on the GPU; reserved by this process now, and at most
// since `earmark_start_peak`.
char* earmark_memory(int index, uint64_t out[4]) {
  return caught([=] {
    initialize();
    const auto [available, total] = at::accelerator::getMemoryInfo(index);
    const auto stats = at::accelerator::getDeviceStats(index);
    const auto& reserved = stats.reserved_bytes[0];
    out[0] = available;
    out[1] = total;
    out[2] = reserved.current;
    out[3] = reserved.peak;
  });
}

char* earmark_start_peak(int index) {
  return caught([=] {
    initialize();
    at::accelerator::resetPeakStats(index);
  });
}

// Returns memory that no tensor uses to the system.
char* earmark_empty_cache() {
  return caught([] {
    initialize();
    at::accelerator::emptyCache();
  });
}

// Waits until a GPU has finished all queued work.
char* earmark_synchronize(int index) {
  return caught([=] {
    initialize();
    at::accelerator::synchronizeDevice(index);
  });
}

// Lets the calling thread queue its work in a stream of its own, backward passes included:
// otherwise one thread runs those of all jobs on a GPU.
char* earmark_use_own_stream(int index) {
  return caught([=] {
    initialize();
    c10::AutogradState::get_tls_state().set_multithreading_enabled(false);
    const c10::impl::VirtualGuardImpl guard(c10::DeviceType::CUDA);
    const c10::Device device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(index));
    guard.exchangeStream(guard.getNewStream(device));
  });
}

// Copies a tensor into page-locked memory, from which a GPU copies while the program
// continues.
char* earmark_pin(const at::Tensor* tensor, at::Tensor** out) {
  return caught([=] { *out = new at::Tensor(tensor->pin_memory()); });
}

// A step of torch.optim.SGD, by one kernel.
char* earmark_fused_sgd(
    at::Tensor* parameters,
    at::Tensor* gradient,
    at::Tensor* velocity,
    double weight_decay,
    double momentum,
    double rate,
    bool nesterov) {
  return caught([=] {
    // Without momentum, libtorch refuses buffers for it.
    const std::vector<at::Tensor> velocities(momentum == 0.0 ? 0 : 1, *velocity);
    at::_fused_sgd_(
        {*parameters}, {*gradient}, velocities, weight_decay, momentum, rate, /*dampening=*/0.0,
        nesterov, /*maximize=*/false, /*is_first_step=*/false, {}, {});
  });
}

// A step of torch.optim.AdamW, by one kernel; `steps` counts them, this one included.
char* earmark_fused_adamw(
    at::Tensor* parameters,
    at::Tensor* gradient,
    at::Tensor* mean,
    at::Tensor* square,
    at::Tensor* steps,
    double rate,
    double mean_decay,
    double square_decay,
    double weight_decay,
    double epsilon) {
  return caught([=] {
    at::_fused_adamw_(
        {*parameters}, {*gradient}, {*mean}, {*square}, {}, {*steps}, rate, mean_decay, square_decay,
        weight_decay, epsilon, /*amsgrad=*/false, /*maximize=*/false, {}, {});
  });
}
}
