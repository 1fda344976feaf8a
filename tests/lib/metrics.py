#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reads metrics in Prometheus' text format from standard input, strictly.

usage: metrics.py             the names of all metrics, one a line
       metrics.py SERIES...   the values of series, e.g. 'name{label="value"}', one a line
"""

import math
import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "gauge": ("",), "counter": ("",)}


class Bad(Exception):
    pass


def check(condition, line):
    if not condition:
        raise Bad(line)


def check_histogram(name, series):
    buckets = [(float(re.search(r'le="([^"]*)"', key).group(1)), value)
               for key, value in series.items() if key.startswith(name + "_bucket")]
    check(buckets and buckets == sorted(buckets), f"{name}: buckets are not in order")
    check(all(a[1] <= b[1] for a, b in zip(buckets, buckets[1:])), f"{name}: not cumulative")
    check(buckets[-1][0] == math.inf and buckets[-1][1] == series[name + "_count"],
          f"{name}: +Inf is not the count")


def parse(text):
    """Returns {metric: type} and {series: value}."""
    check(text.endswith("\n"), "the last line has no end")
    types, series, name, state = {}, {}, None, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ")[2]
            check(state in (None, "type") and re.fullmatch(NAME, name), line)
            check(name not in types and len(line.split(" ", 3)[3]) > 10, line)
            state = "help"
        elif line.startswith("# TYPE "):
            _, _, what, kind = line.split(" ")
            check(state == "help" and what == name and kind in SUFFIXES, line)
            check((kind == "counter") == name.endswith("_total"), line)
            types[name], state = kind, "type"
        else:
            m = SAMPLE.fullmatch(line)
            check(m and state == "type", line)
            check(m[1] in [name + s for s in SUFFIXES[types[name]]], line)
            key = line.rpartition(" ")[0]
            check(key not in series, line)
            labels = re.findall(r'([a-zA-Z0-9_]+)="', m[2] or "")
            check(len(labels) == len(set(labels)), line)
            series[key] = float(m[3])
            check(types[name] == "gauge" or series[key] >= 0, line)
    check(state == "type", "ends in the middle")
    for name, kind in types.items():
        if kind == "histogram":
            check_histogram(name, series)
    return types, series


def main():
    try:
        types, series = parse(sys.stdin.read())
    except Bad as e:
        sys.exit(f"not in the format: {e}")
    if len(sys.argv) == 1:
        print("\n".join(types))
    for key in sys.argv[1:]:
        if key not in series:
            sys.exit(f"no series {key}")
        print(f"{series[key]:.15g}")


main()
