"""The table of docs/results/level2.md: what `kind = "auto"` chose in finished runs.

    python golden/choice/table.py RUN...

For each score: the stack's, by nested cross-validation; how much it differs from the best learner
and from the best candidate, which are chosen with hindsight; the standard error of the difference.
"""

import json
import sys
from collections import Counter
from pathlib import Path


def main():
    print("| run | chosen | in the folds | score | stack | minus the best learner | minus the best candidate |")
    print("|---|---|---|---|---|---|---|")
    for folder in map(Path, sys.argv[1:]):
        choice = json.loads((folder / "level2" / "choice.json").read_text())
        models = {model["name"]: model for model in json.loads((folder / "results.json").read_text())["systems"]}
        learners = set(models) - {"arithmetic mean", "geometric mean", "stack"}
        folds = Counter(fold["chosen"] for fold in choice["folds"])
        start = [folder.name, choice["chosen"], ", ".join(f"{count} × {name}" for name, count in folds.most_common())]
        for key, name in (("accuracy", "accuracy"), ("map_at_3", "mAP@3")):

            def against(candidates):
                best = max(candidates, key=lambda one: one[key])
                difference = best[f"stack_minus_{key}"]
                return f"{difference['mean']:+.4f} ± {difference['standard_error']:.4f} ({best['name']})"

            own = [one for one in choice["candidates"] if one["name"] in learners]
            cells = [name, f"{models['stack']['out_of_fold'][key]:.4f}", against(own), against(choice["candidates"])]
            print(f"| {' | '.join([*start, *cells])} |")
            start = ["", "", ""]


if __name__ == "__main__":
    main()
