module github.com/weir-proxy/weir

go 1.26
