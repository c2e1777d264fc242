"""A Flask application that answers with what it was told. Usage: flask_app.py LOG"""

from flask import Flask, jsonify, request

from common import fields, serve

app = Flask(__name__)


@app.route("/", defaults={"path": ""}, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
@app.route("/<path:path>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def echo(path):
    body = request.get_json(silent=True)
    return jsonify(fields=fields(request.environ), query=request.args.to_dict(flat=False), body=body)


serve(app.wsgi_app)
