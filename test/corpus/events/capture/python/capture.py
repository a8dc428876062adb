"""Posts what PyPI cloudevents makes of the request. Arguments: url, request.json, request.binpb."""
import json
import sys
from datetime import datetime, timezone

import requests
from cloudevents.core.bindings.http import to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

url, json_file, binpb_file = sys.argv[1:]
attributes = {
    "source": "urn:example:team",
    "type": "automation.run.requested.v1",
    "specversion": "1.0",
    "subject": 'B-1 "50 %" für Köln 🚀',
    "time": datetime(2026, 2, 3, 4, 5, 6, 789000, tzinfo=timezone.utc),
    "dataschema": "urn:example:schemas/asked",
    "tenantid": "acme",
    "orgid": "retail",
    "correlationid": "c-1",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate": "vendor=one",
    "attempt": 2,
    "replayed": True,
}
as_json = ("application/json", json.load(open(json_file, encoding="utf-8")))
as_protobuf = ("application/protobuf", open(binpb_file, "rb").read())
for name, write, (content_type, data) in [
    ("binary", to_binary, as_json),
    ("structured", to_structured, as_json),
    ("binary-protobuf", to_binary, as_protobuf),
    ("structured-protobuf", to_structured, as_protobuf),
]:
    event_id = f"python-http-{name}"
    event = CloudEvent({**attributes, "id": event_id, "datacontenttype": content_type}, data)
    message = write(event, JSONFormat())
    requests.post(f"{url}/{event_id}", data=message.body, headers=message.headers, timeout=30).raise_for_status()
