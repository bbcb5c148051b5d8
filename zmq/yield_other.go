//go:build !linux

package zmq

const canYield = false

func yieldThread() {}
