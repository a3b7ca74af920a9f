"""Runs one piece of untrusted Python inside a prepared sandbox and reports what became of it.

Started by ../load-runner.ts inside what ../bubblewrap-arguments.ts describes, in one of the modes that main() names.
Everything up to the seal is trusted, everything after it is not: the code may change any object of this process, these
modules included. So nothing here guards the host (the kernel does), and the other side believes of the result only what
harms nobody but the code's own author.
"""

import atexit
import codecs
import os
import resource
import sys

from channels import close_inherited, receive_job, send_frame
from confinement import drop_capabilities, mount_own_tmp, seal, set_limits, use_reporting_room
from launcher import launch
from values import NotJson, describe_variables, safe_text, to_strict_json
from zygote import serve_children

# Held from before the code could replace them in their modules.
settrace, setprofile, exit_process, original_excepthook = sys.settrace, sys.setprofile, os._exit, sys.__excepthook__
standard_streams = (sys.stdout, sys.stderr)

# What tracebacks call the submitted text; each job says.
code_name = "<code>"


def main():
    """plain: one job. numpy: one job, and NumPy is there before it. zygote: children, each of which runs one job."""
    mode = sys.argv[1]
    if mode == "zygote":
        serve_children(warm_numpy, run_one_job)
    else:
        get_ready(mode)
        run_one_job()


def get_ready(mode):
    close_inherited()
    limits_files = mount_own_tmp()
    drop_capabilities()
    if mode == "numpy":
        warm_numpy()
    send_frame({"ready": True, "limits_files": limits_files})


def run_one_job():
    job = receive_job()
    if job.get("launch"):
        launch(job)
    if job["uses_numpy"]:
        warm_numpy()
    set_limits(job)
    seal(job["seal"])
    exit_process(run_job(job))


def warm_numpy():
    """Its linear algebra must be started before memory is limited: OpenBLAS hangs when it cannot have its buffers."""
    try:
        import numpy
    except ImportError:
        return
    numpy.linalg.inv(numpy.eye(2) @ numpy.eye(2))


def run_job(job):
    """Returns the exit status: 0 for success, 1 for every failure that was reported."""
    use_forgiving_output()
    result, namespace = execute(job)
    finish_threads_and_output()
    if result["outcome"] in ("succeeded", "failed"):
        result = collect(job, namespace, result)
    send_result(result)
    return 0 if result["outcome"] == "succeeded" else 1


def use_forgiving_output():
    """Half a surrogate pair must not make print() fail: it leaves as U+FFFD."""
    codecs.register_error("sandbox", lambda error: (b"\xef\xbf\xbd" * (error.end - error.start), error.end))
    for stream in standard_streams:
        stream.reconfigure(errors="sandbox")


def execute(job):
    global code_name
    code_name = job["name"]
    try:
        program = compile(job["code"], code_name, "exec", dont_inherit=True)
    except BaseException as error:
        show_traceback(error)
        return describe_error(error, "does_not_compile"), None
    namespace = new_main_module(job)
    raised = None
    try:
        exec(program, namespace)
    except BaseException as error:
        raised = error
    # Before any other call: a trace function the code left would run in it. An audit hook may forbid even this.
    try:
        settrace(None)
        setprofile(None)
    except BaseException:
        pass
    return settle(raised), namespace


def settle(error):
    if error is None or (isinstance(error, SystemExit) and exits_quietly(error)):
        return {"outcome": "succeeded"}
    outcome = "failed"
    if is_out_of_memory(error):
        use_reporting_room()
        outcome = "out_of_memory"
    show_traceback(error)
    return describe_error(error, outcome)


def exits_quietly(error):
    """sys.exit() and sys.exit(0) are success, as they are to a shell."""
    return error.code is None or (isinstance(error.code, int) and error.code == 0)


def new_main_module(job):
    """The code is __main__, as in a script: pickle, dataclasses and typing look its names up there."""
    module = type(sys)("__main__")
    sys.modules["__main__"] = module
    module.__dict__.update(job["globals"])
    module.__dict__.update(job["locals"])
    return module.__dict__


def is_out_of_memory(error):
    """ENOMEM is what mmap and thread creation answer where an allocation would raise MemoryError."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == 12)


def show_traceback(error):
    """What Python itself would print, from the first frame of the code on. Runs the error's own __str__."""
    try:
        if isinstance(error, SystemExit):
            sys.stderr.write("" if isinstance(error.code, int) else "%s\n" % (error.code,))
            return
        traceback = error.__traceback__
        while traceback is not None and traceback.tb_frame.f_code.co_filename != code_name:
            traceback = traceback.tb_next
        original_excepthook(type(error), error.with_traceback(traceback), traceback)
    except BaseException:
        return


def describe_error(error, outcome):
    kind = MemoryError if isinstance(error, MemoryError) else type(error)
    return {
        "outcome": outcome,
        "error_type": safe_text(kind, lambda kind: kind.__name__)[:200],
        "error_message": safe_text(error, str),
        "error_line": find_line(error),
    }


def find_line(error):
    """The deepest line of the submitted text that the error passed through; for a SyntaxError the faulty line."""
    if isinstance(error, SyntaxError) and error.filename == code_name:
        return error.lineno if type(error.lineno) is int else None
    line, traceback = None, error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == code_name:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def finish_threads_and_output():
    """What the interpreter does when a script ends: waits for its threads, runs atexit, flushes."""
    for step in (wait_for_threads, atexit._run_exitfuncs, *(stream.flush for stream in standard_streams)):
        try:
            step()
        except BaseException:
            continue


def wait_for_threads():
    threading = sys.modules.get("threading")
    if threading is None:
        return
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()


def collect(job, namespace, result):
    """Adds the result variable (for workflow steps) and the local variables. Both may run the code's own methods."""
    try:
        if job["result_variable"] is not None and result["outcome"] == "succeeded":
            result["output"] = to_strict_json(namespace.get(job["result_variable"]), job["result_variable"])
        if job["capture_locals"]:
            result["locals"] = describe_variables(namespace, job["globals"])
        return result
    except NotJson as error:
        return failure("OutputNotJson", str(error))
    except MemoryError:
        use_reporting_room()
        return dict(failure("MemoryError", "Not enough memory to hand over the result."), outcome="out_of_memory")
    except BaseException as error:
        return describe_error(error, "failed")


def failure(error_type, message):
    return {"outcome": "failed", "error_type": error_type, "error_message": message, "error_line": None}


def send_result(result):
    """One frame. When it is too large the local variables go first; a result variable cannot be cut."""
    result["max_resident_kb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if send_frame(result):
        return
    result["locals"] = {"...": {"$type": "truncated", "repr": "too large to hand over"}}
    if send_frame(result):
        return
    del result["output"]
    result.update(failure("OutputTooLarge", "The result does not fit into 1 MiB of JSON. Return less, or in parts."))
    send_frame(result)
