package mechanism

// What tests of the keystream compare.
var (
	FillHeads         = fillHeads
	FillHeadsPortable = fillHeadsPortable

	// XORFroms are all ways, nil for those that this processor does not know.
	XORFroms = map[string]func(dst, src []byte, key *[32]byte, count, block uint64){
		"the way chosen": xorFrom,
		"portable":       xorFromPortable,
	}
)

// SetNonces sets the short nonces of the last frames that a sealer of CURVE has sealed and opened.
func SetNonces(s Sealer, out, in uint64) {
	c := s.(*curveSealer)
	c.out.count, c.in.count = out, in
}
