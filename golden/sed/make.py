"""Scores of detected events by sed_eval, for crates/stacking/tests/events.rs.

Each case is a list of recordings with the reference events and the estimated ones. sed_eval gets
`empty_system_output_handling="zero_score"`, as in DCASE's task 4: a class that is never estimated
has the precision 0, and not none. Error rates without a reference event, for which sed_eval divides
by 2^-52, are null here, and excluded from the mean over the classes.

    python golden/sed/make.py     (with the packages of golden/requirements.txt)
"""

import json
import math
from importlib.metadata import version
from pathlib import Path

import dcase_util
import numpy as np
import sed_eval

HERE = Path(__file__).parent
LABELS = ["Chainsaw", "Dog bark", "Rain", "Rooster", "Sea waves"]


def event(label, onset, offset):
    return {"label": label, "onset": onset, "offset": offset}


def rounded(value, decimals):
    return float(value) if decimals is None else round(float(value), decimals)


def recording(rng, events, seconds=30.0, spread=0.25, decimals=None, swap=0.2, miss=0.2, extra=0.2, labels=LABELS):
    """Random reference events, and estimated ones that are near them, have another label, or are
    elsewhere. With few decimals, times lie on the edges of collars and segments."""
    reference, estimated = [], []
    for _ in range(events):
        onset = rng.uniform(0, seconds - 1)
        offset = min(seconds, onset + rng.exponential(2.0))
        label = str(rng.choice(labels))
        reference.append(event(label, rounded(onset, decimals), rounded(offset, decimals)))
        if rng.random() < miss:
            continue
        near = max(0.0, onset + rng.normal(0, spread))
        until = max(near, offset + rng.normal(0, 2 * spread))
        other = str(rng.choice(labels)) if rng.random() < swap else label
        estimated.append(event(other, rounded(near, decimals), rounded(until, decimals)))
        if rng.random() < extra:
            near = rng.uniform(0, seconds)
            estimated.append(event(str(rng.choice(labels)), rounded(near, decimals), rounded(near + 1, decimals)))
    order = rng.permutation(len(estimated))
    return {"reference": reference, "estimated": [estimated[i] for i in order]}


def container(events):
    return dcase_util.containers.MetaDataContainer(
        [{"event_label": e["label"], "event_onset": e["onset"], "event_offset": e["offset"]} for e in events]
    )


def none_if_nan(value):
    return None if math.isnan(value) else float(value)


def counts(all_of, substitutions, deletions, insertions, hits):
    return {
        "reference": int(all_of["Nref"]),
        "estimated": int(all_of["Nsys"]),
        "hits": int(hits),
        "substitutions": int(substitutions),
        "deletions": int(deletions),
        "insertions": int(insertions),
    }


def scores(metrics, labels, segments):
    overall = metrics.results_overall_metrics()
    classes = metrics.results_class_wise_metrics()
    average = metrics.results_class_wise_average_metrics()["f_measure"]
    o = metrics.overall
    keys = ("S", "D", "I") if segments else ("Nsubs", "Nfn", "Nfp")
    error = lambda of, n: none_if_nan(of["error_rate"]["error_rate"]) if n > 0 else None
    f = lambda of: {
        "precision": none_if_nan(of["f_measure"]["precision"]),
        "recall": none_if_nan(of["f_measure"]["recall"]),
        "f1": none_if_nan(of["f_measure"]["f_measure"]),
    }
    per_class = []
    for label in labels:
        c = metrics.class_wise[label]
        per_class.append(
            {"label": label, **counts(c, 0, c["Nfn"], c["Nfp"], c["Ntp"]), **f(classes[label]),
             "error_rate": error(classes[label], c["Nref"])}
        )
    rates = [c["error_rate"] for c in per_class if c["error_rate"] is not None]
    return {
        "micro": {**counts(o, *(o[key] for key in keys), o["Ntp"]), **f(overall),
                  "error_rate": error(overall, o["Nref"])},
        "macro": {
            "precision": none_if_nan(average["precision"]),
            "recall": none_if_nan(average["recall"]),
            "f1": none_if_nan(average["f_measure"]),
            "error_rate": float(np.mean(rates)) if rates else None,
        },
        "per_class": per_class,
    }


def case(name, recordings, collar=0.2, length_share=0.5, resolution=1.0):
    labels = sorted({e["label"] for r in recordings for e in r["reference"] + r["estimated"]})
    event_based = lambda offset: sed_eval.sound_event.EventBasedMetrics(
        event_label_list=labels, t_collar=collar, percentage_of_length=length_share, evaluate_offset=offset,
        event_matching_type="optimal")
    all_metrics = {
        "event_based": event_based(True),
        "onset_based": event_based(False),
        "segment_based": sed_eval.sound_event.SegmentBasedMetrics(
            event_label_list=labels, time_resolution=resolution),
    }
    for metrics in all_metrics.values():
        # Only the event-based class takes it as an argument.
        metrics.empty_system_output_handling = "zero_score"
    for r in recordings:
        for metrics in all_metrics.values():
            metrics.evaluate(reference_event_list=container(r["reference"]), estimated_event_list=container(r["estimated"]))
    return {
        "name": name,
        "settings": {"collar": collar, "length_share": length_share, "resolution": resolution},
        "recordings": recordings,
        "scores": {key: scores(m, labels, key == "segment_based") for key, m in all_metrics.items()},
    }


def cases():
    rng = np.random.default_rng(18)
    nothing = {"reference": [], "estimated": []}
    only_reference = {"reference": [event("Rain", 1.0, 2.5), event("Rooster", 3.0, 3.1)], "estimated": []}
    only_estimated = {"reference": [], "estimated": [event("Rain", 1.0, 2.5), event("Dog bark", 3.0, 3.1)]}
    yield case("plain", [recording(rng, 20)])
    yield case("several_recordings", [recording(rng, int(n)) for n in rng.integers(0, 12, 15)] + [nothing])
    # One class, with more events than fit side by side: the matching must rearrange.
    yield case("dense", [recording(rng, 40, seconds=6.0, spread=0.15, labels=LABELS[:1]) for _ in range(4)])
    yield case("dense_classes", [recording(rng, 40, seconds=6.0, spread=0.15, swap=0.5) for _ in range(6)])
    yield case("on_the_edges", [recording(rng, 25, spread=0.2, decimals=1) for _ in range(4)])
    yield case("fine_segments", [recording(rng, 25, decimals=1) for _ in range(3)], resolution=0.1)
    yield case("long_segments", [recording(rng, 25) for _ in range(3)], collar=0.5, length_share=0.2, resolution=7.0)
    yield case("no_share_of_length", [recording(rng, 25) for _ in range(3)], collar=0.1, length_share=0.0)
    yield case("all_right", [{"reference": r["reference"], "estimated": r["reference"]}
                             for r in (recording(rng, 9) for _ in range(3))])
    yield case("no_reference_events", [only_estimated])
    yield case("no_estimated_events", [only_reference, nothing])
    yield case("class_in_one_list", [recording(rng, 8, labels=LABELS[:2]), only_reference, only_estimated])
    # Two events of a class at once; an estimated event that spans both.
    yield case("overlapping_of_one_class", [
        {"reference": [event("Rain", 1.0, 4.0), event("Rain", 1.1, 5.0), event("Rain", 6.0, 7.0)],
         "estimated": [event("Rain", 1.05, 5.0), event("Rain", 5.9, 8.0), event("Rain", 6.1, 6.9)]}])
    yield case("at_the_end", [
        {"reference": [event("Rain", 9.5, 10.0), event("Rooster", 9.999, 10.0)],
         "estimated": [event("Rain", 9.4, 10.0), event("Rooster", 10.0, 10.0)]}])
    yield case("without_length", [
        {"reference": [event("Rain", 1.0, 1.0), event("Rain", 2.5, 2.5)],
         "estimated": [event("Rain", 1.0, 1.0), event("Dog bark", 2.5, 2.5)]}])
    # Which pairs are matched decides which events are left over as substitutions.
    yield case("left_over", [
        {"reference": [event("Rain", 1.0, 2.0), event("Rain", 1.15, 2.0), event("Rooster", 1.3, 2.0)],
         "estimated": [event("Rain", 1.1, 2.0), event("Dog bark", 1.3, 2.0), event("Rooster", 3.0, 4.0)]}])


all_cases = list(cases())
assert len(all_cases) == 16
(HERE / "cases.json").write_text(json.dumps(all_cases) + "\n")
packages = ("sed_eval", "dcase_util", "numpy")
(HERE / "versions.json").write_text(json.dumps({name: version(name) for name in packages}, indent=1) + "\n")
