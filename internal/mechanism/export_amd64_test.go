//go:build gc && !purego

package mechanism

func init() {
	if useLanes {
		XORFroms["by 8"] = xorFrom8
	}
	if useWide {
		XORFroms["by 16"] = xorFrom16
	}
}

// Blocks8 makes eight blocks in each way that the processor knows.
func Blocks8(key *[32]byte, in *[4][lanes]uint32) (outs map[string][lanes * blockSize]byte) {
	outs = make(map[string][lanes * blockSize]byte)
	for way, known := range map[string]bool{"shifting": useLanes, "rotating": useLanes && useRotate} {
		if known {
			var out [lanes * blockSize]byte
			blocks8(&out, key, in, way == "rotating")
			outs[way] = out
		}
	}
	return outs
}
