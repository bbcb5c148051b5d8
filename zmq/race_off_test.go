//go:build !race

package zmq_test

const raceDetector = false
