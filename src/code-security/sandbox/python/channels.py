"""The two channels to the host: fd 3 brings one job, fd 4 takes frames away. A frame is a u32 length (little
endian) and that much JSON."""

import os
import resource

JOB_CHANNEL = 3
RESULT_CHANNEL = 4
LARGEST_FRAME = 1 << 20


def load_json():
    """The decoder and encoder of the json module, in C, without the module: importing it imports `re`, which
    costs as much as starting Python. Where this interpreter arranges them differently, the module."""
    try:
        import _json

        class Context:
            strict, memo = True, {}
            object_hook = object_pairs_hook = None
            parse_float, parse_int, parse_constant = float, int, float

        scan = _json.make_scanner(Context)
        encode = _json.make_encoder(None, None, _json.encode_basestring_ascii, None, ":", ",", False, False, False)
        if "".join(encode(scan('{"a":[1,"b"]}', 0)[0], 0)) == '{"a":[1,"b"]}':
            return lambda text: scan(text, 0)[0], lambda value: "".join(encode(value, 0))
    except (ImportError, AttributeError, TypeError):
        pass
    import json

    return json.loads, json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


decode_json, encode_json = load_json()


def close_from(lowest):
    os.closerange(lowest, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def close_inherited():
    """Descriptors of the host that leaked in (one did): nothing above the channels stays open."""
    close_from(RESULT_CHANNEL + 1)


def receive_job():
    job = receive_frame()
    os.close(JOB_CHANNEL)
    return job


def receive_frame():
    length = int.from_bytes(read_exactly(4), "little")
    return decode_json(read_exactly(length).decode("utf-8"))


def read_exactly(count):
    """Ends the process when the other side has gone away: there will be no job."""
    chunks = []
    while count > 0:
        chunk = os.read(JOB_CHANNEL, min(count, 1 << 16))
        if not chunk:
            os._exit(71)
        chunks.append(chunk)
        count -= len(chunk)
    return b"".join(chunks)


def send_frame(value):
    """Whether the value fitted."""
    payload = encode_json(value).encode("ascii")
    if len(payload) > LARGEST_FRAME:
        return False
    frame = len(payload).to_bytes(4, "little") + payload
    while frame:
        frame = frame[os.write(RESULT_CHANNEL, frame) :]
    return True
