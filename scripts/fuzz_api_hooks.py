"""What schemathesis does not know by itself; scripts/fuzz_api.sh loads it."""

import schemathesis

# The media type of a chunk of a resumable upload: any bytes.
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
