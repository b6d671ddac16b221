"""IR of the driver, which walks a program (see backends/program.py), and of the pool's loop.

The pool is 512 bytes of memory: a 64-bit word `state` holds the job's generation (high half) and
the next chunk (low half), on lines of their own the counters of finished chunks and of sleepers,
then the job: function, table, description, number of chunks. Whoever wants a chunk increments the
word by compare-and-swap, which fails if the generation has changed: a late worker cannot take
part in a job it has not read. Between two jobs the word is closed (a generation whose chunks are
used up) while the job's fields are rewritten. The word `busy` is held by the driver whose jobs the
pool serves; another driver meanwhile works alone. Stopping a pool takes that word for ever.
"""

from __future__ import annotations

STATE, DONE, SLEEPERS, STOP, BUSY, JOB = 0, 64, 128, 192, 320, 256
SIZE = 512
FUTEX_CALL = {"x86_64": 202, "amd64": 202, "aarch64": 98, "arm64": 98}

PAUSE_X86 = "call void @llvm.x86.sse2.pause()"
PAUSE_ARM = "call void @llvm.aarch64.hint(i32 1)"

FIELDS = """
 %done = getelementptr i8, ptr %pool, i64 64
 %sleepers = getelementptr i8, ptr %pool, i64 128
 %stop = getelementptr i8, ptr %pool, i64 192
 %pf = getelementptr i8, ptr %pool, i64 256
 %pt = getelementptr i8, ptr %pool, i64 264
 %pd = getelementptr i8, ptr %pool, i64 272
 %pn = getelementptr i8, ptr %pool, i64 280
 %word = getelementptr i8, ptr %pool, i64 4
"""

TAKE = """
define internal void @take(ptr %pool, i64 %generation) nounwind {
entry:FIELDS
 %f = load atomic ptr, ptr %pf monotonic, align 8
 %tab = load atomic ptr, ptr %pt monotonic, align 8
 %desc = load atomic ptr, ptr %pd monotonic, align 8
 %count = load atomic i64, ptr %pn monotonic, align 8
 br label %again
again:
 %now = load atomic i64, ptr %pool acquire, align 8
 %g = lshr i64 %now, 32
 %same = icmp eq i64 %g, %generation
 %chunk = and i64 %now, 4294967295
 %inside = icmp ult i64 %chunk, %count
 %open = and i1 %same, %inside
 br i1 %open, label %claim, label %out
claim:
 %next = add i64 %now, 1
 %pair = cmpxchg ptr %pool, i64 %now, i64 %next acq_rel monotonic
 %won = extractvalue {i64, i1} %pair, 1
 br i1 %won, label %work, label %again
work:
 call void %f(ptr %tab, ptr %desc, i64 %chunk)
 %old = atomicrmw add ptr %done, i64 1 release
 br label %again
out:
 ret void
}
"""

WORKER = """
define i64 @worker(ptr %pool, i64 %start, i64 %spins) nounwind {
entry:FIELDS
 br label %idle
idle:
 %seen = phi i64 [%start, %entry], [%g, %join]
 br label %spin
spin:
 %n = phi i64 [0, %idle], [%n1, %rest]
 %now = load atomic i64, ptr %pool acquire, align 8
 %g0 = lshr i64 %now, 32
 %new = icmp ne i64 %g0, %seen
 br i1 %new, label %go, label %rest
rest:
 PAUSE
 %n1 = add i64 %n, 1
 %more = icmp ult i64 %n1, %spins
 br i1 %more, label %spin, label %sleep
sleep:
 SLEEP
go:
 %later = load atomic i64, ptr %pool acquire, align 8
 %g = lshr i64 %later, 32
 %s = load atomic i64, ptr %stop acquire, align 8
 %ended = icmp ne i64 %s, 0
 br i1 %ended, label %end, label %join
join:
 call void @take(ptr %pool, i64 %g)
 br label %idle
end:
 ret i64 -1
}
"""

# The futex word is the generation: a worker sleeps while it is the one it has seen.
SLEEP_FUTEX = """%o1 = atomicrmw add ptr %sleepers, i64 1 seq_cst
 %seen32 = trunc i64 %seen to i32
 %r = call i64 (i64, ...) @syscall(i64 FUTEX, ptr %word, i32 128, i32 %seen32, ptr null)
 %o2 = atomicrmw sub ptr %sleepers, i64 1 seq_cst
 %n2 = load atomic i64, ptr %pool acquire, align 8
 %g2 = lshr i64 %n2, 32
 %woken = icmp ne i64 %g2, %seen
 br i1 %woken, label %go, label %sleep"""
SLEEP_RETURN = "ret i64 %seen"

WAKE_FUTEX = """%sl = load atomic i64, ptr %sleepers seq_cst, align 8
 %none = icmp eq i64 %sl, 0
 br i1 %none, label %own, label %wake
wake:
 %r = call i64 (i64, ...) @syscall(i64 FUTEX, ptr %word, i32 129, i32 2147483647)
 br label %own"""
WAKE_NOTHING = "br label %own"

SHARE = """
define internal void @open(ptr %pool, i64 %chunks) nounwind {
entry:
 %now = load atomic i64, ptr %pool monotonic, align 8
 %g = lshr i64 %now, 32
 %g1 = add i64 %g, 1
 %g2 = shl i64 %g1, 32
 %next = or i64 %g2, %chunks
 %old = atomicrmw xchg ptr %pool, i64 %next seq_cst
 ret void
}
define internal void @share(ptr %pool, ptr %f, ptr %tab, ptr %desc, i64 %count) nounwind {
entry:FIELDS
 call void @open(ptr %pool, i64 4294967295)
 store atomic ptr %f, ptr %pf monotonic, align 8
 store atomic ptr %tab, ptr %pt monotonic, align 8
 store atomic ptr %desc, ptr %pd monotonic, align 8
 store atomic i64 %count, ptr %pn monotonic, align 8
 store atomic i64 0, ptr %done monotonic, align 8
 call void @open(ptr %pool, i64 0)
 WAKE
own:
 %later = load atomic i64, ptr %pool monotonic, align 8
 %mine = lshr i64 %later, 32
 call void @take(ptr %pool, i64 %mine)
 br label %wait
wait:
 %d = load atomic i64, ptr %done acquire, align 8
 %all = icmp eq i64 %d, %count
 br i1 %all, label %end, label %pause
pause:
 PAUSE
 br label %wait
end:
 ret void
}
define void @stop(ptr %pool) nounwind {
entry:FIELDS
 %lock = getelementptr i8, ptr %pool, i64 320
 br label %wait
wait:
 %pair = cmpxchg ptr %lock, i64 0, i64 1 acq_rel monotonic
 %got = extractvalue {i64, i1} %pair, 1
 br i1 %got, label %close, label %wait
close:
 store atomic i64 1, ptr %stop seq_cst, align 8
 call void @open(ptr %pool, i64 4294967295)
 WAKE
own:
 ret void
}
"""

DRIVE = """
define i64 @drive(ptr %program) nounwind {
entry:
 %p1 = getelementptr i64, ptr %program, i64 1
 %p2 = getelementptr i64, ptr %program, i64 2
 %p3 = getelementptr i64, ptr %program, i64 3
 %calls = getelementptr i64, ptr %program, i64 4
 %tab = load ptr, ptr %program, align 8
 %n = load i64, ptr %p1, align 8
 %pool = load ptr, ptr %p2, align 8
 %scratch = load i64, ptr %p3, align 8
 %two = getelementptr i64, ptr %tab, i64 2
 store i64 0, ptr %tab, align 8
 store i64 %scratch, ptr %two, align 8
 %alone = icmp eq ptr %pool, null
 br i1 %alone, label %head, label %try
try:
 %lock = getelementptr i8, ptr %pool, i64 320
 %pair = cmpxchg ptr %lock, i64 0, i64 1 acq_rel monotonic
 %got = extractvalue {i64, i1} %pair, 1
 br label %head
head:
 %mine = phi i1 [false, %entry], [%got, %try]
 br label %call
call:
 %i = phi i64 [0, %head], [%i1, %next]
 %at = phi ptr [%calls, %head], [%after, %next]
 %more = icmp slt i64 %i, %n
 br i1 %more, label %read, label %finish
read:
 %a1 = getelementptr i64, ptr %at, i64 1
 %a2 = getelementptr i64, ptr %at, i64 2
 %desc = getelementptr i64, ptr %at, i64 3
 %f = load ptr, ptr %at, align 8
 %count = load i64, ptr %a1, align 8
 %length = load i64, ptr %a2, align 8
 %after = getelementptr i64, ptr %at, i64 %length
 %many = icmp sgt i64 %count, 1
 %spread = and i1 %many, %mine
 br i1 %spread, label %several, label %chunk
several:
 call void @share(ptr %pool, ptr %f, ptr %tab, ptr %desc, i64 %count)
 br label %check
chunk:
 %k = phi i64 [0, %read], [%k1, %body]
 %left = icmp slt i64 %k, %count
 br i1 %left, label %body, label %check
body:
 call void %f(ptr %tab, ptr %desc, i64 %k)
 %k1 = add i64 %k, 1
 br label %chunk
check:
 %i1 = add i64 %i, 1
 %status = load i64, ptr %tab, align 8
 %good = icmp eq i64 %status, 0
 br i1 %good, label %next, label %bad
next:
 br label %call
bad:
 store i64 %i1, ptr %tab, align 8
 br label %finish
finish:
 %result = phi i64 [0, %call], [%i1, %bad]
 br i1 %mine, label %unlock, label %end
unlock:
 %lock2 = getelementptr i8, ptr %pool, i64 320
 store atomic i64 0, ptr %lock2 release, align 8
 br label %end
end:
 ret i64 %result
}
"""


def text(host, futex: bool) -> str:
    """The module of driver and pool for a machine."""
    declared = ""
    pause = ""
    if host.x86:
        pause = PAUSE_X86
        declared = "declare void @llvm.x86.sse2.pause()\n"
    elif host.arm:
        pause = PAUSE_ARM
        declared = "declare void @llvm.aarch64.hint(i32)\n"
    if futex:
        declared += "declare i64 @syscall(i64, ...)\n"
    number = str(FUTEX_CALL.get(host.triple.split("-")[0], 0))
    body = TAKE + WORKER + SHARE + DRIVE
    body = body.replace("FIELDS", FIELDS).replace("PAUSE", pause)
    body = body.replace("SLEEP\n", (SLEEP_FUTEX if futex else SLEEP_RETURN) + "\n")
    body = body.replace("WAKE\n", (WAKE_FUTEX if futex else WAKE_NOTHING) + "\n")
    return declared + body.replace("FUTEX", number)
