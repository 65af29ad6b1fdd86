package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// verifyBundle reads an evidence bundle with archive/zip and proves each record that has a C2SP tlog-proof of its own, under the checkpoint of its log and
// the key that trust/keys.txt names. It returns how many there were.
func verifyBundle(file string) (int, error) {
	archive, err := zip.OpenReader(file)
	if err != nil {
		return 0, err
	}
	defer archive.Close()
	files := map[string]*zip.File{}
	for _, one := range archive.File {
		files[one.Name] = one
	}
	keys, err := readFile(files, "trust/keys.txt")
	if err != nil {
		return 0, err
	}
	var verifiers []note.Verifier
	for _, line := range strings.Fields(string(keys)) {
		verifier, err := note.NewVerifier(line)
		if err != nil {
			return 0, err
		}
		verifiers = append(verifiers, verifier)
	}
	proven := 0
	for name := range files {
		if !strings.HasSuffix(name, ".tlog-proof") {
			continue
		}
		if err := checkProof(files, name, verifiers); err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		proven++
	}
	return proven, nil
}

// checkProof holds one record against its proof. Its log is the folder that the proof lies in, and the last part of the origin.
func checkProof(files map[string]*zip.File, name string, verifiers []note.Verifier) error {
	log := strings.Split(name, "/")[1]
	text, err := readFile(files, name)
	if err != nil {
		return err
	}
	index, proof, signed, err := parseProof(string(text))
	if err != nil {
		return err
	}
	checkpoint, err := readFile(files, "proofs/"+log+"/checkpoint")
	if err != nil {
		return err
	}
	if string(checkpoint) != signed {
		return errors.New("its checkpoint is not that of the log")
	}
	leaf, err := leafAt(files, log, index)
	if err != nil {
		return err
	}
	for _, verifier := range verifiers {
		if !strings.HasSuffix(verifier.Name(), "/"+log) {
			continue
		}
		tree, err := openCheckpoint(checkpoint, verifier)
		if err != nil {
			return fmt.Errorf("the checkpoint: %w", err)
		}
		return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(leaf))
	}
	return errors.New("trust/keys.txt has no key for its log")
}

// parseProof reads a C2SP tlog-proof without extra data.
func parseProof(text string) (int64, tlog.RecordProof, string, error) {
	head, signed, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	if len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return 0, nil, "", errors.New("not a tlog-proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return 0, nil, "", err
	}
	var proof tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return 0, nil, "", err
		}
		proof = append(proof, hash)
	}
	return index, proof, signed, nil
}

// leafAt is the line of the records that range.json says is the leaf at an index of the log.
func leafAt(files map[string]*zip.File, log string, index int64) ([]byte, error) {
	text, err := readFile(files, "proofs/"+log+"/range.json")
	if err != nil {
		return nil, err
	}
	var shown struct{ Indexes [][2]int64 }
	if err := json.Unmarshal(text, &shown); err != nil {
		return nil, err
	}
	records, err := readFile(files, "data/records/"+log+".ndjson")
	if err != nil {
		return nil, err
	}
	lines := bytes.Split(records, []byte("\n"))
	before := int64(0)
	for _, one := range shown.Indexes {
		if first, count := one[0], one[1]; first <= index && index < first+count {
			return lines[before+index-first], nil
		}
		before += one[1]
	}
	return nil, fmt.Errorf("the bundle has no record %d of %s", index, log)
}

func readFile(files map[string]*zip.File, name string) ([]byte, error) {
	file, ok := files[name]
	if !ok {
		return nil, fmt.Errorf("the bundle has no %s", name)
	}
	content, err := file.Open()
	if err != nil {
		return nil, err
	}
	defer content.Close()
	return io.ReadAll(content)
}
