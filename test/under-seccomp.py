"""Runs a command under a seccomp profile of the OCI form, in the way runc does it: the same library, the same order.
python3 under-seccomp.py PROFILE COMMAND [ARGUMENT ...]"""

import ctypes
import json
import os
import sys

seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
seccomp.seccomp_init.restype = ctypes.c_void_p


class Comparison(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


EQUAL, MASKED_EQUAL = 4, 7
ARCHITECTURES = {"SCMP_ARCH_X86_64": 0xC000003E, "SCMP_ARCH_AARCH64": 0xC00000B7}
UNKNOWN_CALL = -1


def action_of(rule, errno_key="errnoRet", action_key="action"):
    if rule[action_key] == "SCMP_ACT_ALLOW":
        return 0x7FFF0000
    assert rule[action_key] == "SCMP_ACT_ERRNO", rule
    return 0x00050000 | rule.get(errno_key, 1)


def comparison_of(test):
    if test["op"] == "SCMP_CMP_MASKED_EQ":
        return Comparison(test["index"], MASKED_EQUAL, test["value"], test.get("valueTwo", 0))
    assert test["op"] == "SCMP_CMP_EQ", test
    return Comparison(test["index"], EQUAL, test["value"], 0)


def must(answer):
    if answer != 0:
        raise OSError(-answer, os.strerror(-answer))


def install(profile):
    context = ctypes.c_void_p(seccomp.seccomp_init(action_of(profile, "defaultErrnoRet", "defaultAction")))
    native = seccomp.seccomp_arch_native()
    for name in profile["architectures"]:
        if ctypes.c_int(ARCHITECTURES[name]).value != native:
            must(seccomp.seccomp_arch_add(context, ctypes.c_uint32(ARCHITECTURES[name])))
    for rule in profile["syscalls"]:
        tests = [comparison_of(test) for test in rule.get("args", [])]
        for name in rule["names"]:
            number = seccomp.seccomp_syscall_resolve_name(name.encode())
            if number == UNKNOWN_CALL:
                continue
            array = (Comparison * len(tests))(*tests)
            must(seccomp.seccomp_rule_add_array(context, action_of(rule), number, len(tests), array))
    must(seccomp.seccomp_load(context))


with open(sys.argv[1]) as file:
    install(json.load(file))
os.execv(sys.argv[2], sys.argv[2:])
