"""The scores of a linear model on a data set in FSDKaggle2018's layout, such as the embedded one.

Multinomial logistic regression on MFCC statistics: maximum, minimum, variance and skewness over
time of 64 coefficients of 128 bands at 22,050 Hz, standardized. Prints accuracy and mAP@3 on the
test clips for several regularization strengths, and marks the one that cross-validation on the
training clips selects.

    python golden/synth/linear_baseline.py DATA

Versions used: librosa 0.11.0, scikit-learn 1.9.1.
"""

import csv
import pathlib
import sys

import librosa
import numpy as np
from scipy.stats import skew
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def statistics(path):
    samples, sr = librosa.load(path, sr=22_050)
    mfcc = librosa.feature.mfcc(y=samples, sr=sr, n_mfcc=64, n_fft=1764, hop_length=220, n_mels=128)
    blocks = [mfcc.max(axis=1), mfcc.min(axis=1), mfcc.var(axis=1), skew(mfcc, axis=1)]
    return np.nan_to_num(np.concatenate(blocks))


def table(root, name, folder):
    with open(root / name, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("usage") != "Ignored"]
    features = np.stack([statistics(root / folder / row["fname"]) for row in rows])
    return features, np.array([row["label"] for row in rows])


def map_at_3(probabilities, classes, labels):
    ranked = classes[np.argsort(-probabilities, axis=1, kind="stable")[:, :3]]
    hits = ranked == labels[:, None]
    return float((hits / np.array([1, 2, 3])).sum(axis=1).mean())


def main():
    root = pathlib.Path(sys.argv[1])
    train, train_labels = table(root, "train.csv", "audio_train")
    test, test_labels = table(root, "test.csv", "audio_test")
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    rows = []
    for strength in (0.001, 0.003, 0.01, 0.03, 0.1, 1.0):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))
        inner = cross_val_score(model, train, train_labels, cv=folds).mean()
        model.fit(train, train_labels)
        accuracy = model.score(test, test_labels)
        ranked = map_at_3(model.predict_proba(test), model.classes_, test_labels)
        rows.append((inner, strength, accuracy, ranked))
    picked = max(rows)
    print(f"{len(train_labels)} training, {len(test_labels)} test clips, {len(set(train_labels))} classes")
    for row in rows:
        inner, strength, accuracy, ranked = row
        mark = "  <- picked" if row is picked else ""
        print(f"C {strength:<6} cross-validated {inner:.3f}   test accuracy {accuracy:.3f}   mAP@3 {ranked:.3f}{mark}")


if __name__ == "__main__":
    main()
