#!/usr/bin/env python3
"""Speaks Google's XML API, for one ignored test of evidence: moto's S3 (pip install 'moto[server]') behind another name.

The XML API is S3's but for the names of headers, and moto looks at one of those only: who asks, in Amazon's form, also where the
signature. Usage: tests/google_cloud_storage.py PORT; a PUT to /BUCKET makes a bucket.
"""

import sys

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

SOMEBODY = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=none"

moto = DomainDispatcherApplication(create_backend_app)


def as_amazon_says_it(environ, start_response):
    environ["HTTP_AUTHORIZATION"] = SOMEBODY
    return moto(environ, start_response)


run_simple("127.0.0.1", int(sys.argv[1]), as_amazon_says_it, threaded=True)
