#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of xgboost_fuzz: small models, right and wrong, into corpus/xgboost beside this file."""
import json
import pathlib

OUT = pathlib.Path(__file__).parent / "corpus" / "xgboost"


def model(left, right, conditions, features, objective="reg:squarederror", classes="0", groups=(0,)):
    tree = {
        "left_children": left,
        "right_children": right,
        "split_conditions": conditions,
        "split_indices": features,
        "default_left": [1] + [0] * (len(left) - 1),
    }
    booster = {"model": {"tree_info": list(groups), "trees": [tree] * len(groups)}, "name": "gbtree"}
    shape = {"base_score": "5E-1", "num_class": classes, "num_feature": "2"}
    learner = {
        "feature_names": [],
        "gradient_booster": booster,
        "learner_model_param": shape,
        "objective": {"name": objective},
    }
    return {"learner": learner, "version": [1, 7, 4]}


SEEDS = {
    "stump": model([1, -1, -1], [2, -1, -1], [1, -1, 2], [0, 0, 0]),
    "deep": model([1, 3, -1, -1, -1], [2, 4, -1, -1, -1], [1, 0.5, 2, 3, 4], [0, 1, 0, 0, 0], "binary:logistic"),
    "multi": model([-1], [-1], [0.25], [0], "multi:softprob", "3", (0, 1, 2)),
    "cycle": model([1, 0, -1], [2, 2, -1], [1, -1, 2], [0, 0, 0]),
    "poisson": model([-1], [-1], [0.25], [0], "count:poisson"),
}

OUT.mkdir(parents=True, exist_ok=True)
for name, seed in SEEDS.items():
    (OUT / f"{name}.json").write_text(json.dumps(seed, separators=(",", ":")))
(OUT / "old.bin").write_bytes(b"binf\0\0\0")
