# expect: status=success result=[]
# Families that reach past a network namespace, or had faults: TIPC, RDS, Bluetooth, CAN, NFC, X.25, KCM, XDP, SMC (CVE-2017-6074, CVE-2021-43267, CVE-2022-0435)
import socket

for name, family, kinds in (("tipc", 30, (1, 2, 4, 5)), ("rds", 21, (5,)), ("bluetooth", 31, (1, 3, 5)),
                            ("can", 29, (2, 3)), ("nfc", 39, (1, 3, 5)), ("x25", 9, (5,)), ("ax25", 3, (2, 5)), ("appletalk", 5, (2, 3)),
                            ("ipx", 4, (2,)), ("llc", 26, (1, 2)), ("phonet", 35, (2, 5)), ("ieee802154", 36, (2, 3)), ("caif", 37, (1, 5)),
                            ("kcm", 41, (2, 5)), ("qipcrtr", 42, (2,)), ("smc", 43, (1,)), ("xdp", 44, (3,)), ("rxrpc", 33, (2,)),
                            ("pppox", 24, (2,)), ("decnet", 12, (1, 5)), ("econet", 19, (2,)), ("iucv", 32, (1,)), ("isdn", 34, (3,))):
    for kind in kinds:
        for protocol in (0, 1, 2, 3):
            attempt(name, lambda: socket.socket(family, kind, protocol).close())
sorted(set(reached))
