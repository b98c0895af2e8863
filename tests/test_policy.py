import pytest

from redact.errors import UsageError
from redact.policy import NAMED, Policy


def write(folder, text):
    path = folder / "policy.toml"
    path.write_text(text)
    return path


def test_a_policy_is_read_from_toml(tmp_path):
    path = write(tmp_path, 'name = "ours"\n[faces]\nmargin = 1\nmethod = "blur"\n')
    policy = Policy.load(path)
    assert (policy.name, policy.faces.margin, policy.faces.method) == ("ours", 1.0, "blur")
    assert policy.names == Policy().names


@pytest.mark.parametrize(
    "text",
    [
        "margn = 0.3",
        "[faces]\nmargn = 0.3",
        '[faces]\nmethod = "gauss"',
        '[faces]\nmargin = "wide"',
        "[faces]\nmargin = true",
        "[plate]\nmethod = 'fill'",
        "[plates]\nfind = 0",
        "faces = 3",
        "[faces\n",
    ],
)
def test_a_typo_in_a_policy_is_an_error(tmp_path, text):
    with pytest.raises(UsageError):
        Policy.load(write(tmp_path, text))


@pytest.mark.parametrize(
    "text",
    [
        "[faces]\nmargin = -0.1",
        "[faces]\nmin_score = 1.5",
        "[faces]\ncells = 0",
        "[faces]\nlong_side = 0",
        "[faces]\nlooks_per_second = 0",
        "[check]\nrounds = -1",
        "[limits]\nhours = 0",
        "[faces]\nmargin = nan",
        'name = "our policy"',
    ],
)
def test_a_value_that_would_weaken_a_policy_to_nothing_is_an_error(tmp_path, text):
    with pytest.raises(UsageError):
        Policy.load(write(tmp_path, text))


def test_every_setting_changes_the_digest():
    assert len({policy.sha256 for policy in NAMED.values()}) == len(NAMED)
    assert Policy.load("strict") == Policy()
