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
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/native/ConvUtils.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/batch_norm_backward_elemt.h>
#include <ATen/ops/batch_norm_update_stats.h>
#include <ATen/ops/full.h>
#include <ATen/ops/native_batch_norm.h>
#include <ATen/ops/native_batch_norm_backward.h>
#include <c10/core/AutogradState.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/autograd/custom_function.h>

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

// Batch norm in training with the rows of pixels `repeats` times as wide:
// `[pixels / repeats, repeats * channels]` is the same channels-last memory. libtorch's GPU kernels
// for it start blocks of threads by the number of columns, so that few channels leave most of the
// GPU idle. What belongs to the copies of one channel is combined.
struct WideBatchNorm : torch::autograd::Function<WideBatchNorm> {
  static at::Tensor rows(const at::Tensor& x, int64_t repeats) {
    return x.permute({0, 2, 3, 1}).view({-1, repeats * x.size(1)});
  }

  static at::Tensor image(const at::Tensor& rows, const at::Tensor& like) {
    return rows.view({like.size(0), like.size(2), like.size(3), like.size(1)}).permute({0, 3, 1, 2});
  }

  static at::Tensor forward(
      torch::autograd::AutogradContext* context,
      const at::Tensor& x,
      const at::Tensor& weight,
      const at::Tensor& bias,
      const at::Tensor& running_mean,
      const at::Tensor& running_variance,
      double momentum,
      double epsilon,
      int64_t repeats) {
    const auto channels = x.size(1);
    const double count = static_cast<double>(x.numel() / channels);
    const auto wide = rows(x, repeats);
    const auto [means, variances] = at::batch_norm_update_stats(wide, {}, {}, 0.0);
    const auto groups = means.view({repeats, channels});
    const auto mean = groups.mean(0);
    const auto variance = variances.view({repeats, channels}).mean(0) + (groups - mean).square().mean(0);
    // All running statistics of a network are parts of one tensor. `data` leaves its version as it
    // is, as libtorch's own batch norm does; else the backward pass of other layers refuses it.
    running_mean.data().lerp_(mean, momentum);
    running_variance.data().lerp_(variance * (count / (count - 1.0)), momentum);
    context->save_for_backward({x, weight, mean, (variance + epsilon).rsqrt()});
    context->saved_data["repeats"] = repeats;
    context->saved_data["epsilon"] = epsilon;
    const auto y = std::get<0>(at::native_batch_norm(
        wide, weight.repeat(repeats), bias.repeat(repeats), mean.repeat(repeats), variance.repeat(repeats),
        /*training=*/false, momentum, epsilon));
    return image(y, x);
  }

  static torch::autograd::variable_list backward(
      torch::autograd::AutogradContext* context, const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &weight = saved[1], &mean = saved[2], &inverse = saved[3];
    const auto repeats = context->saved_data["repeats"].toInt();
    const auto wide = rows(x, repeats);
    const auto gradient = rows(gradients[0].contiguous(at::MemoryFormat::ChannelsLast), repeats);
    const auto weights = weight.repeat(repeats), means = mean.repeat(repeats), inverses = inverse.repeat(repeats);
    const auto sums = at::native_batch_norm_backward(
        gradient, wide, weights, {}, {}, means, inverses, /*train=*/true, context->saved_data["epsilon"].toDouble(),
        {false, true, true});
    const auto of_weight = std::get<1>(sums).view({repeats, x.size(1)}).sum(0);
    const auto of_bias = std::get<2>(sums).view({repeats, x.size(1)}).sum(0);
    const auto count = x.numel() / x.size(1);
    at::Tensor of_input;
    if (x.is_cuda()) {
      of_input = at::batch_norm_backward_elemt(
          gradient, wide, means, inverses, weights, of_bias.repeat(repeats), (of_weight / inverse).repeat(repeats),
          at::full({1}, count, x.options().dtype(at::kInt)));
    } else {
      // The kernel exists only on GPUs.
      const auto normal = (wide - means) * inverses;
      of_input = (gradient - (of_bias / count).repeat(repeats) - normal * (of_weight / count).repeat(repeats)) *
          (weights * inverses);
    }
    const at::Tensor none;
    return {image(of_input, x), of_weight, of_bias, none, none, none, none, none};
  }
};
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

// Batch norm in training, with gradients; see `WideBatchNorm`. Updates the running statistics.
char* earmark_wide_batch_norm(
    const at::Tensor* x,
    const at::Tensor* weight,
    const at::Tensor* bias,
    const at::Tensor* running_mean,
    const at::Tensor* running_variance,
    double momentum,
    double epsilon,
    int64_t repeats,
    at::Tensor** out) {
  return caught([=] {
    *out = new at::Tensor(WideBatchNorm::apply(
        *x, *weight, *bias, *running_mean, *running_variance, momentum, epsilon, repeats));
  });
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
