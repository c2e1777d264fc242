"""Starts lighttpd on a port that the system chooses, and prints it.

Usage: start.py PROGRAM PLACE LOG, where PROGRAM (echo.py or echo.php) answers every request.
"""

import os
import shutil
import socket
import sys

program, place, log = sys.argv[1:]
here = os.path.dirname(os.path.abspath(__file__))
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
path = os.environ["PATH"] + ":/usr/sbin:/usr/bin"
os.environ.update(
    PATH=path, APPS=here, PROGRAM=program, PLACE=place, LOG=log, PYTHON=sys.executable,
    PHP_CGI=shutil.which("php-cgi", path=path), LISTEN_FDS="1", LISTEN_PID=str(os.getpid()),
)
os.execvpe("lighttpd", ["lighttpd", "-D", "-f", f"{here}/lighttpd.conf"], os.environ)
