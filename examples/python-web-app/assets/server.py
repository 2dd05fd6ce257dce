"""A web application small enough to read in one go: it answers on port 8000."""

import platform

from bottle import route, run


@route("/")
def index():
    return f"Hello from a container built by Slipway, on Python {platform.python_version()}\n"


run(host="0.0.0.0", port=8000, quiet=True)
