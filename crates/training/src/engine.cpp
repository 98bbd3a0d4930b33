// What Earmark needs of libtorch beyond the bindings of `tch`: settings of the GPU's engines,
// its memory, and streams. Everything is in `libtorch_cpu`, which reaches the GPU through virtual
// functions, so that this links without CUDA.
//
// Each function returns null, or a message that `earmark_free` releases.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/core/Tensor.h>
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
    context.setAllowTF32CuDNN(tf32);
    context.setAllowTF32CuBLAS(tf32);
    context.setDeterministicCuDNN(deterministic);
    // An operation that has no deterministic kernel warns.
    context.setDeterministicAlgorithms(deterministic, true);
    // Memory that nothing reads need not be filled.
    context.setDeterministicFillUninitializedMemory(false);
  });
}

// out: bytes that are free and that exist on the GPU; allocated by tensors of this process now,
// and at most since `earmark_start_peak`.
char* earmark_memory(int index, uint64_t out[4]) {
  return caught([=] {
    initialize();
    const auto [available, total] = at::accelerator::getMemoryInfo(index);
    const auto stats = at::accelerator::getDeviceStats(index);
    const auto& allocated = stats.allocated_bytes[0];
    out[0] = available;
    out[1] = total;
    out[2] = allocated.current;
    out[3] = allocated.peak;
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

// Lets the calling thread queue its work in a stream of its own.
char* earmark_use_own_stream(int index) {
  return caught([=] {
    initialize();
    const c10::impl::VirtualGuardImpl guard(c10::DeviceType::CUDA);
    const c10::Device device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(index));
    guard.exchangeStream(guard.getNewStream(device));
  });
}

// Copies a tensor into page-locked memory, from which a GPU copies while the program goes on.
char* earmark_pin(const at::Tensor* tensor, at::Tensor** out) {
  return caught([=] { *out = new at::Tensor(tensor->pin_memory()); });
}
}
