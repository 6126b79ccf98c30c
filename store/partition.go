package store

import (
	"crypto/sha256"
	"encoding/binary"
)

// HashPartition returns the partition of a name, such as an e-mail address, that must not stand in a key:
// the first 16 bytes of a SHA-256 over namespace and name. Different namespaces never share a partition. Whoever has a name can
// compute its hash, so the partition hides names from a reader of keys, not from a guesser. Names are taken as
// they are: lower-case or normalize them first.
func HashPartition(namespace, name string) Partition {
	h := sha256.New()
	h.Write([]byte("rhythmiq/partition\x00"))
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(namespace))))
	h.Write([]byte(namespace))
	h.Write([]byte(name))
	return Partition(h.Sum(nil)[:len(Partition{})])
}
