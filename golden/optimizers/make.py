"""Steps of torch's optimizers with given gradients.

Writes steps.json to its own folder: `python golden/optimizers/make.py`. Each case has its settings,
the learning rates and gradients of all steps, and the parameter before the first and after each
step.
"""

import json
import pathlib

import torch

HERE = pathlib.Path(__file__).parent
STEPS = 12
CASES = [
    {"optimizer": "sgd", "momentum": 0.9, "nesterov": False, "weight_decay": 5e-4},
    {"optimizer": "sgd", "momentum": 0.8, "nesterov": True, "weight_decay": 0.01},
    {"optimizer": "sgd", "momentum": 0.0, "nesterov": False, "weight_decay": 0.0},
    {"optimizer": "adamw", "momentum": 0.9, "nesterov": False, "weight_decay": 0.05},
    {"optimizer": "adamw", "momentum": 0.5, "nesterov": False, "weight_decay": 0.0},
]


def optimizer(case, parameter):
    if case["optimizer"] == "sgd":
        names = ["momentum", "nesterov", "weight_decay"]
        return torch.optim.SGD([parameter], lr=1.0, **{name: case[name] for name in names})
    return torch.optim.AdamW([parameter], lr=1.0, betas=(case["momentum"], 0.999), weight_decay=case["weight_decay"])


def main():
    generator = torch.Generator().manual_seed(0)
    table = []
    for case in CASES:
        parameter = torch.nn.Parameter(torch.randn(5, generator=generator))
        gradients = torch.randn(STEPS, 5, generator=generator) * torch.tensor([1.0, 10.0, 0.01, 1e-4, 0.0])
        rates = [0.1 * (step + 1) / STEPS for step in range(STEPS)]
        before = parameter.tolist()
        steps, after = optimizer(case, parameter), []
        for rate, gradient in zip(rates, gradients):
            steps.param_groups[0]["lr"] = rate
            parameter.grad = gradient.clone()
            steps.step()
            after.append(parameter.tolist())
        table.append(case | {"rates": rates, "before": before, "gradients": gradients.tolist(), "after": after})
    (HERE / "steps.json").write_text("[\n" + ",\n".join(map(json.dumps, table)) + "\n]\n")
    (HERE / "versions.json").write_text(json.dumps({"torch": torch.__version__}, indent=1) + "\n")


if __name__ == "__main__":
    main()
