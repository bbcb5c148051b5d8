package mechanism

// What tests of the keystream compare.
var (
	FillHeads         = fillHeads
	FillHeadsPortable = fillHeadsPortable
	XORTail           = xorTail
	XORTailPortable   = xorTailPortable
)
