"""The text logs of a run: what is appended is read back, whatever a killed process left."""

import datetime
import json

import numpy as np
import pytest

from rpgan_tf.errors import UserError
from rpgan_tf.files import run_logs


def test_numbers_that_are_not_finite_are_null(tmp_path):
    line = run_logs.to_line({"iteration": 1, "g_loss": [np.nan, 0.12345678, -np.inf]})
    assert json.loads(line) == {"iteration": 1, "g_loss": [None, 0.12346, None]}
    (tmp_path / run_logs.FILE).write_text(line)
    np.testing.assert_array_equal(run_logs.read_looks(tmp_path)[0]["g_loss"], [np.nan, 0.12346, np.nan])


def test_losses_of_a_log(tmp_path):
    path = tmp_path / "train.log"
    line = "2026-01-01 00:00:00 [{0:09d}] Adam Loss: G={1},D=0.5\n[{0:09d}]* L00={2},L01={3}\n"
    text = "".join(line.format(*each) for each in [(1, 1, 0.5, 1.5), (2, 2, 2, 2), (3, 9, 9, 9), (2, 4, 3, 5)])
    path.write_text(text + "2026-01-01 00:00:00 [000000004] Adam Loss: G=7,D=1\n[000000004]* L00=7.0,L01=-")
    iterations, mean, each = run_logs.read_losses(path)
    assert list(iterations) == [1, 2, 3, 4] and list(mean) == [1, 4, 9, 7]
    np.testing.assert_array_equal(each, [[0.5, 1.5], [3, 5], [9, 9], [7, np.nan]])
    path.write_text("[000000001] Adam Loss: G=1.5,D=1\n")
    np.testing.assert_array_equal(run_logs.read_losses(path)[2], [[1.5]])
    with pytest.raises(UserError, match="no file '.*'; train the experiment first"):
        run_logs.read_losses(tmp_path / "other.log")


def test_lines_of_an_iteration_are_read_back(tmp_path):
    time = datetime.datetime(2026, 1, 2, 3, 4, 5, 999999)
    losses = {"g_loss": np.float32(1.25), "d_loss": np.float32(-0.5), "g_losses": np.float32([0.5, 2]), "x": 7}
    text = run_logs.loss_lines(7, time, "Adam", losses)
    assert (
        text == "2026-01-02 03:04:05 [000000007] Adam Loss: G=1.250000,D=-0.500000\n[000000007]* L00=0.500,L01=2.000\n"
    )
    assert run_logs.loss_lines(7, time, "Adam", {"g_loss": 1, "d_loss": 2}).count("\n") == 1
    path = tmp_path / run_logs.LOG
    assert run_logs.last_iteration(path) == 0
    run_logs.append(path, text + run_logs.remark(7, "held out: G=9,D=9"))
    iterations, mean, each = run_logs.read_losses(path)
    assert (list(iterations), list(mean), each.tolist()) == ([7], [1.25], [[0.5, 2]])
    assert run_logs.last_iteration(path) == 7
    path.write_text("x" * 10000 + "[000000012]* L00=1")  # killed
    assert run_logs.last_iteration(path) == 12


def test_a_line_that_was_cut_off_is_skipped_and_spoils_no_other(tmp_path):
    path = tmp_path / "new" / "records.jsonl"
    assert run_logs.read_records(path) == []
    run_logs.append_record(path, {"a": 1, "b": [None, "c"]})
    assert path.read_text() == '{"a": 1, "b": [null, "c"]}\n'
    path.write_text(path.read_text() + '{"a": 2, "b')
    assert run_logs.read_records(path) == [{"a": 1, "b": [None, "c"]}]
    run_logs.append_record(path, {"a": 3})
    assert path.read_text().splitlines()[1:] == ['{"a": 2, "b', '{"a": 3}']
    assert run_logs.read_records(path) == [{"a": 1, "b": [None, "c"]}, {"a": 3}]
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        run_logs.append_record(path, {"a": np.nan})
    assert len(run_logs.read_records(path)) == 2
