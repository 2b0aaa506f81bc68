package snapshot

import (
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/textfile"
	"github.com/weir-proxy/weir/traffic/files"
	"github.com/weir-proxy/weir/traffic/site"
)

// files has the route serve a directory. One that is not there may still come, so it is said and taken.
func (b *siteBuilder) files(c *config.Route, r *site.Route) {
	f := c.Files
	r.Files = &files.Root{Config: files.Config{Root: f.Root, Index: f.Index, Precompressed: f.Precompressed, Fallback: f.Fallback}}
	if r.Rewrite == nil {
		r.FilesSkip = r.Match.Path.PrefixLen()
	}
	if b.keeper == nil {
		return // nobody is served
	}
	if info, err := textfile.Stat(f.Root); err != nil {
		b.warn(c.Key+".files", "%v; its files are answered with 503 until it is there", err)
	} else if !info.IsDir() {
		b.refuse(c.Key+".files", "%s is no directory", f.Root)
	}
}
