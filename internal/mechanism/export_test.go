package mechanism

// What tests of the keystream compare.
var (
	FillHeads         = fillHeads
	FillHeadsPortable = fillHeadsPortable

	// XORFroms are the ways that this processor knows.
	XORFroms = map[string]func(dst, src []byte, key *[32]byte, count, block uint64){
		"the way chosen": xorFrom,
		"portable":       xorFromPortable,
	}
)
