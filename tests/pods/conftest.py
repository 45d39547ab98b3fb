"""Pods for real, or one line that says why not."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from pods.cluster import Cluster
from pods.lab import CannotRun, Lab

WITHOUT_PODS = os.environ.get("WAITFOR_WITHOUT_PODS") == "1"
told: list[str] = []


@pytest.fixture(scope="session")
def lab_or_reason() -> Iterator[Lab | str]:
    """The place where pods run, or why there is none."""
    try:
        lab = Lab()
    except CannotRun as error:
        yield str(error)
        return
    yield lab
    lab.close()


@pytest.fixture
def lab(lab_or_reason: Lab | str) -> Lab:
    """The place where pods run; without one the first test fails, unless told otherwise."""
    if isinstance(lab_or_reason, Lab):
        return lab_or_reason
    if WITHOUT_PODS or told:
        pytest.skip(lab_or_reason)
    told.append(lab_or_reason)
    pytest.fail(f"{lab_or_reason} (WAITFOR_WITHOUT_PODS=1 goes without)", pytrace=False)


@pytest.fixture
def cluster(lab: Lab) -> Iterator[Cluster]:
    """Names, servers and pods of one test."""
    with Cluster(lab) as cluster:
        yield cluster
