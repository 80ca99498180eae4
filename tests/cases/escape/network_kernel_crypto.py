# expect: status=success result=[]
# The kernel's cryptography by socket, which loads modules and had faults (AF_ALG; CVE-2026-31431)
import socket

for kind, name in (("hash", "sha256"), ("skcipher", "cbc(aes)"), ("aead", "authencesn(hmac(sha256),cbc(aes))"), ("rng", "stdrng")):
    def bind():
        with socket.socket(38, socket.SOCK_SEQPACKET) as s:
            s.bind((kind, name))

    attempt(kind, bind)
reached
