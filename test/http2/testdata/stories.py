# Reads stories in the format of http2jp/hpack-test-case, and writes them again: "encode" with each case's wire, "decode" with each case's headers.
# The second argument is the implementation: nghttp2 (the library of C), hyper (python3-hpack) or hyper-plain (the same without Huffman).
import ctypes, json, sys
import hpack

SECRET = b"authorization"


class NV(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("value", ctypes.c_char_p), ("namelen", ctypes.c_size_t), ("valuelen", ctypes.c_size_t), ("flags", ctypes.c_uint8)]


class Inflated(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("value", ctypes.c_void_p)] + NV._fields_[2:]


class NGHTTP2:
    def __init__(self):
        self.lib = ctypes.CDLL("libnghttp2.so.14")
        for name in "deflate_hd", "inflate_hd2":
            getattr(self.lib, "nghttp2_hd_" + name).restype = ctypes.c_ssize_t
        self.deflater, self.inflater = ctypes.c_void_p(), ctypes.c_void_p()
        self.ok(self.lib.nghttp2_hd_deflate_new(ctypes.byref(self.deflater), ctypes.c_size_t(1 << 20)))
        self.ok(self.lib.nghttp2_hd_inflate_new(ctypes.byref(self.inflater)))

    def ok(self, n):
        if n < 0:
            sys.exit("nghttp2: error %d" % n)
        return n

    def resize(self, n):
        self.ok(self.lib.nghttp2_hd_deflate_change_table_size(self.deflater, ctypes.c_size_t(n)))

    def encode(self, fields):
        list = (NV * len(fields))(*[NV(n, v, len(n), len(v), 1 if n == SECRET else 0) for n, v in fields])
        out = ctypes.create_string_buffer(1 << 20)
        n = self.ok(self.lib.nghttp2_hd_deflate_hd(self.deflater, out, ctypes.c_size_t(len(out)), list, ctypes.c_size_t(len(fields))))
        return out.raw[:n]

    def decode(self, wire):
        fields = []
        while True:
            field, flags = Inflated(), ctypes.c_int()
            n = self.ok(self.lib.nghttp2_hd_inflate_hd2(self.inflater, ctypes.byref(field), ctypes.byref(flags), wire, ctypes.c_size_t(len(wire)), 1))
            wire = wire[n:]
            if flags.value & 2:
                fields.append((ctypes.string_at(field.name, field.namelen), ctypes.string_at(field.value, field.valuelen)))
            if flags.value & 1:
                self.lib.nghttp2_hd_inflate_end_headers(self.inflater)
                return fields


class Hyper:
    def __init__(self, huffman):
        self.huffman, self.encoder, self.decoder = huffman, hpack.Encoder(), hpack.Decoder(1 << 20)

    def resize(self, n):
        self.encoder.header_table_size = n

    def encode(self, fields):
        return self.encoder.encode([(n, v, n == SECRET) for n, v in fields], huffman=self.huffman)

    def decode(self, wire):
        return self.decoder.decode(wire, raw=True)


makes = {"nghttp2": NGHTTP2, "hyper": lambda: Hyper(True), "hyper-plain": lambda: Hyper(False)}
stories = json.load(sys.stdin)
for story in stories:
    peer = makes[sys.argv[2]]()
    for case in story["cases"]:
        if sys.argv[1] == "encode":
            if "header_table_size" in case:
                peer.resize(case["header_table_size"])
            case["wire"] = peer.encode([(n.encode(), v.encode()) for field in case["headers"] for n, v in field.items()]).hex()
        else:
            case["headers"] = [{bytes(n).decode(): bytes(v).decode()} for n, v in peer.decode(bytes.fromhex(case["wire"]))]
json.dump(stories, sys.stdout)
