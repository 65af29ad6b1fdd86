// Command tlogread reads a log of Sworn as somebody would who has none of its code: checkpoint, hash tiles and entry tiles
// by the paths of C2SP tlog-tiles, verified with golang.org/x/mod/sumdb/note and sumdb/tlog. It proves every record under the
// newest checkpoint, and that the newest tree continues an older one. Or it reads an evidence bundle and proves the records that
// have a proof of their own. It exits with 0 when all of that holds, else with 1.
//
//	tlogread -prefix http://127.0.0.1:4300/tlog/<tenant>/<log> -vkey <line> [-old <file>] [-leaves <file>]
//	tlogread -bundle evidence.zip
//
// The credential is read from the environment variable SWORN_KEY: arguments are seen by everybody on the machine.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	// height is that of C2SP tlog-tiles.
	height = 8
	// fullWidth is the number of hashes or entries in a full tile.
	fullWidth = 1 << height
	// maxBody is above an entry tile of 256 leaves of 16 KiB.
	maxBody = 5 << 20
)

func main() {
	prefix := flag.String("prefix", "", "URL of the log, without a slash at its end")
	vkey := flag.String("vkey", "", "the log's verifier key")
	old := flag.String("old", "", "file with an older checkpoint of the log")
	leaves := flag.String("leaves", "", "file to write the hash of every leaf to, hex, one a line")
	bundle := flag.String("bundle", "", "evidence bundle to read instead of a log")
	flag.Parse()
	if *bundle != "" {
		proven, err := verifyBundle(*bundle)
		leaveWith(int64(proven), err)
	}
	size, err := verifyLog(*prefix, *vkey, *old, *leaves)
	leaveWith(size, err)
}

func leaveWith(proven int64, err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "tlogread:", err)
		os.Exit(1)
	}
	fmt.Printf("%d records proven\n", proven)
	os.Exit(0)
}

func verifyLog(prefix, vkey, old, leaves string) (int64, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return 0, err
	}
	log := &client{prefix: prefix, key: os.Getenv("SWORN_KEY")}
	signed, err := log.get("checkpoint")
	if err != nil {
		return 0, err
	}
	tree, err := openCheckpoint(signed, verifier)
	if err != nil {
		return 0, fmt.Errorf("the checkpoint: %w", err)
	}
	hashes := tlog.TileHashReader(tree, tileReader{log})
	if root, err := tlog.TreeHash(tree.N, hashes); err != nil || root != tree.Hash {
		return 0, fmt.Errorf("the root of the tiles is %v and not %v: %v", root, tree.Hash, err)
	}
	if err := checkRecords(log, tree, hashes, leaves); err != nil {
		return 0, err
	}
	if old != "" {
		if err := checkContinues(old, verifier, tree, hashes); err != nil {
			return 0, err
		}
	}
	return tree.N, nil
}

// openCheckpoint verifies a note and reads its three lines (C2SP tlog-checkpoint). The origin is the name of the key.
func openCheckpoint(signed []byte, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return tlog.Tree{}, fmt.Errorf("%d lines", len(lines)-1)
	}
	if lines[0] != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("the origin is %q and not %q", lines[0], verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 1 {
		return tlog.Tree{}, fmt.Errorf("the size is %q", lines[1])
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, fmt.Errorf("the root is %q", lines[2])
	}
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	return tree, nil
}

// checkRecords reads every entry tile and proves each leaf under the tree.
func checkRecords(log *client, tree tlog.Tree, hashes tlog.HashReader, leaves string) error {
	var lines bytes.Buffer
	for first := int64(0); first < tree.N; first += fullWidth {
		width := tree.N - first
		if width > fullWidth {
			width = fullWidth
		}
		bundle, err := log.get(tilePath("entries", first/fullWidth, int(width)))
		if err != nil {
			return err
		}
		entries, err := splitEntries(bundle)
		if err != nil || int64(len(entries)) != width {
			return fmt.Errorf("%d entries from %d on and not %d: %v", len(entries), first, width, err)
		}
		for i, leaf := range entries {
			index := first + int64(i)
			hash := tlog.RecordHash(leaf)
			proof, err := tlog.ProveRecord(tree.N, index, hashes)
			if err != nil {
				return fmt.Errorf("record %d: %w", index, err)
			}
			if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, hash); err != nil {
				return fmt.Errorf("record %d: %w", index, err)
			}
			fmt.Fprintln(&lines, hex.EncodeToString(hash[:]))
		}
	}
	if leaves == "" {
		return nil
	}
	return os.WriteFile(leaves, lines.Bytes(), 0o600)
}

// checkContinues proves that the tree begins with all of the tree of an older checkpoint.
func checkContinues(file string, verifier note.Verifier, tree tlog.Tree, hashes tlog.HashReader) error {
	signed, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	old, err := openCheckpoint(signed, verifier)
	if err != nil {
		return fmt.Errorf("the older checkpoint: %w", err)
	}
	proof, err := tlog.ProveTree(tree.N, old.N, hashes)
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return fmt.Errorf("from %d to %d: %w", old.N, tree.N, err)
	}
	return nil
}

// splitEntries takes an entry tile apart: each leaf stands after its length in two big-endian bytes.
func splitEntries(bundle []byte) ([][]byte, error) {
	var entries [][]byte
	for len(bundle) > 0 {
		if len(bundle) < 2 {
			return nil, errors.New("half a length")
		}
		length := int(binary.BigEndian.Uint16(bundle))
		bundle = bundle[2:]
		if len(bundle) < length {
			return nil, errors.New("a length past the end")
		}
		entries = append(entries, bundle[:length])
		bundle = bundle[length:]
	}
	return entries, nil
}

// tilePath writes a place as C2SP tlog-tiles does; sumdb/tlog puts the height into its paths and calls entries data.
func tilePath(level string, n int64, width int) string {
	path := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	if width < fullWidth {
		path += fmt.Sprintf(".p/%d", width)
	}
	return "tile/" + level + "/" + path
}

// tileReader reads tiles for sumdb/tlog, which verifies them. Nothing is kept between runs.
type tileReader struct{ log *client }

func (r tileReader) Height() int { return height }

func (r tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	all := make([][]byte, len(tiles))
	for i, tile := range tiles {
		data, err := r.log.get(tilePath(strconv.Itoa(tile.L), tile.N, tile.W))
		if err != nil {
			return nil, err
		}
		if len(data) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%d bytes in a tile of %d hashes", len(data), tile.W)
		}
		all[i] = data
	}
	return all, nil
}

func (r tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

// client asks one log, each path once.
type client struct {
	prefix string
	key    string
	held   map[string][]byte
}

func (c *client) get(path string) ([]byte, error) {
	if body, ok := c.held[path]; ok {
		return body, nil
	}
	request, err := http.NewRequest(http.MethodGet, c.prefix+"/"+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	answer, err := (&http.Client{Timeout: time.Minute}).Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s is answered %s: %s", path, answer.Status, body)
	}
	if c.held == nil {
		c.held = map[string][]byte{}
	}
	c.held[path] = body
	return body, nil
}
