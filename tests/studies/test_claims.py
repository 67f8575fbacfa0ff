"""The table of the paper's statements, and the tests that judge them."""

from rpgan_tf.studies import rpgan_claims


def test_every_statement_has_its_test_and_whole_fields():
    table = rpgan_claims._table()
    assert list(table["figure2"]) == [test.__name__ for test in rpgan_claims.FIGURE2]
    for claims in table.values():
        for name, claim in claims.items():
            assert callable(getattr(rpgan_claims, name))
            assert ("{threshold" in claim["rule"]) == ("threshold" in claim)
            assert {"statement", "source"} <= set(claim) and claim["statement"].endswith(".")


def test_a_record_quotes_the_rule_with_its_numbers():
    sweeps = [{12: {"fid": 2.0, "high_frequency": 1.0}, 24: {"fid": fid, "high_frequency": 0.5}} for fid in (1.0, 3.0)]
    less_noise, better = rpgan_claims.of_ksweep(sweeps)
    assert (less_noise["verdict"], less_noise["seeds"]) == ("seen", "2 of 2")
    assert (better["verdict"], better["seeds"]) == ("not seen", "1 of 2")
    assert better["found"] == [{"K = 12": 2.0, "K = 24": 1.0}, {"K = 12": 2.0, "K = 24": 3.0}]
    sweep = {k: {"seconds_per_iteration": float(k)} for k in (1, 2, 3)}
    (linear,) = rpgan_claims.of_ksweep([sweep])
    assert linear["rule"] == "no K is further than 15% from the best line" and linear["verdict"] == "seen"
