// Package demo is a fleet of services at real work: a controller, workers that are processes of their own, and an observer
// of heartbeats survey the Go files of a tree.
//
// The controller pushes each file as a task and pulls the results; the workers subscribe to its commands; each publishes
// heartbeats to the observer. PUSH and PULL have no acknowledgement: a worker that is killed takes the tasks in its hands
// along. The controller keeps few tasks in the workers' hands, and finds out exactly which ones a death has cost: see
// settle.go.
package demo
