import subprocess
import sys

import redact
from redact import errors


def test_every_public_name_is_there():
    for name in set(redact.__all__) - {"__version__"}:
        assert getattr(redact, name).__doc__


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, redact, redact.store, redact.ledger.log; "
        "print([n for n in ('numpy', 'av', 'cv2', 'onnxruntime', 'spacy') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_error_has_a_code_of_the_promise():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, errors.RedactError)}
    assert codes == set(range(1, 9))


def test_an_error_says_what_it_means_and_what_to_do_and_survives_a_pipe():
    import pickle

    error = errors.InputError("It broke.", todo="Mend it.", reason=errors.Reason.EMPTY)
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == "It broke.\n  Nothing was published.\n  Mend it."
    assert (type(copy), copy.reason) == (errors.InputError, errors.Reason.EMPTY)
