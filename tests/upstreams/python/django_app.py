"""A Django REST framework application that answers with what it was told. Usage: django_app.py LOG"""

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["rest_framework"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
)
django.setup()

from django.core.wsgi import get_wsgi_application
from django.urls import re_path
from rest_framework.response import Response
from rest_framework.views import APIView

from common import fields, serve


class Echo(APIView):
    def get(self, request):
        query = {name: request.query_params.getlist(name) for name in request.query_params}
        return Response({"fields": fields(request.META), "query": query, "body": request.data})

    post = put = patch = delete = get


urlpatterns = [re_path("", Echo.as_view())]
serve(get_wsgi_application())
