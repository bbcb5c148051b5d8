package zmq

import "golang.org/x/sys/unix"

const canYield = true

// yieldThread lets another thread that waits for this processor go first. Unlike runtime.Gosched it has no other thread of this
// process woken to look for work.
func yieldThread() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
