# SPDX-License-Identifier: Apache-2.0
"""As much of an S3 client as tests need: requests signed with SigV4, over http.client."""
import datetime
import hashlib
import hmac
import http.client
import re
import urllib.parse


def encode(text, safe=""):
    return urllib.parse.quote(text, safe=safe + "-._~")


def signed_headers(method, path, query, headers, payload_hash, keys, region="us-east-1"):
    """headers (names in lower case, host among them) with date, hash and signature added. path and
    the values of query, a dictionary, are not encoded. keys: (access, secret)."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    headers = {**headers, "x-amz-date": now, "x-amz-content-sha256": payload_hash}
    names = ";".join(sorted(headers))
    canonical = "\n".join([
        method, encode(path, "/"),
        "&".join(f"{encode(k)}={encode(v)}" for k, v in sorted(query.items())),
        "".join(f"{k}:{' '.join(headers[k].split())}\n" for k in sorted(headers)), names,
        payload_hash])
    scope = f"{now[:8]}/{region}/s3/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", now, scope,
                         hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + keys[1]).encode()
    for part in (*scope.split("/"), to_sign):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={keys[0]}/{scope}, "
                                f"SignedHeaders={names}, Signature={key.hex()}")
    return headers


class S3:
    """One bucket at http://address, in path style."""

    def __init__(self, address, bucket, keys, region="us-east-1"):
        self.address, self.bucket, self.keys, self.region = address, bucket, keys, region

    def request(self, method, key="", query=None, body=b"", headers=None):
        """(status, headers, body)"""
        path, query = f"/{self.bucket}" + (f"/{key}" if key else ""), query or {}
        signed = signed_headers(method, path, query, {"host": self.address, **(headers or {})},
                                hashlib.sha256(body).hexdigest(), self.keys, self.region)
        connection = http.client.HTTPConnection(self.address, timeout=20)
        try:
            text = "&".join(f"{encode(k)}={encode(v)}" for k, v in sorted(query.items()))
            connection.request(method, encode(path, "/") + (f"?{text}" if text else ""), body, signed)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def create_bucket(self):
        status, _, body = self.request("PUT")
        if status != 200 and b"BucketAlreadyOwnedByYou" not in body:
            raise RuntimeError(f"creating bucket {self.bucket}: {status} {body[:300]}")

    def keys_list(self, prefix=""):
        keys, token = [], None
        while True:
            query = {"list-type": "2", "prefix": prefix}
            if token:
                query["continuation-token"] = token
            status, _, body = self.request("GET", query=query)
            if status != 200:
                raise RuntimeError(f"listing {self.bucket}: {status} {body[:300]}")
            keys += [k.decode() for k in re.findall(rb"<Key>(.*?)</Key>", body)]
            found = re.search(rb"<NextContinuationToken>(.*?)</NextContinuationToken>", body)
            if not found:
                return keys
            token = found[1].decode()
