// Package service gives a program the lifecycle of a service: states, tasks, an orderly and bounded stop, errors,
// statistics and signals. It knows no sockets.
package service
