//go:build !linux

package files

// HasChanged reports whether the open file has been written to since it was found.
func (f *File) HasChanged() bool {
	if f.handle == nil {
		return false
	}
	info, err := f.handle.Stat()
	return err == nil && (info.Size() != f.Size || !info.ModTime().Equal(f.Modified))
}
