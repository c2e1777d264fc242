"""What both applications share: a server on a free port, and what WSGI makes of the fields."""

import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server


class Quiet(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass


def fields(environ):
    """The fields of a request as WSGI names them, with `_` as `-` and in lower case."""
    named = {name[5:]: value for name, value in environ.items() if name.startswith("HTTP_")}
    return {name.replace("_", "-").lower(): value for name, value in named.items()}


def serve(application):
    """Prints the port, and writes a line to the log for each request that arrives."""

    def logged(environ, start_response):
        with open(sys.argv[1], "a") as log:
            log.write(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}\n")
        return application(environ, start_response)

    server = make_server("127.0.0.1", 0, logged, handler_class=Quiet)
    print(server.server_port, flush=True)
    server.serve_forever()
