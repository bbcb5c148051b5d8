package runner

// NewTarget makes a target of a program.
func NewTarget(name, program string) Target { return Target{Name: name, program: program} }

// Z85 is z85.
var Z85 = z85
