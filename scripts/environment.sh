# Sourced by the scripts beside it: a virtual environment in .venv with redact and what it needs.
# Runs from the top of the checkout. Installs only when pyproject.toml has changed since the last time.

python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "redact needs Python 3.11 or newer; $python is $("$python" --version 2>&1). Set PYTHON to one." >&2
  exit 2
fi
if [ ! -x .venv/bin/python ]; then
  if ! "$python" -m venv .venv; then
    rm -rf .venv
    echo "The virtual environment could not be made. On Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 2
  fi
fi
export VIRTUAL_ENV="$PWD/.venv" PATH="$PWD/.venv/bin:$PATH"
extras=${REDACT_EXTRAS:-cpu,test}
mark=.venv/installed-$(echo "$extras" | tr ',' '-')
if ! cmp -s pyproject.toml "$mark"; then
  echo "Installing redact[$extras] into .venv (a few hundred megabytes the first time)..." >&2
  python -m pip install --quiet --disable-pip-version-check --editable ".[$extras]"
  cp pyproject.toml "$mark"
fi
