// Package survey counts what Go source files hold: it finds the files of a tree, measures each on its own, and adds the
// measures up. The sums do not depend on the order of adding, so that one process and a fleet of many arrive at the same.
package survey
