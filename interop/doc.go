// Package interop holds tests against real peers: Python programs over libzmq that speak the wire as the deployed
// services do. It has no code to import; see its README for how to run it and what each peer is.
package interop
