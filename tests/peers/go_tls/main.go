// Go's crypto/tls and crypto/x509 as a judge of our certificates.
//
//	go_tls serve CA CHAIN KEY             serves "hello" to clients with a certificate of CA, prints its port
//	go_tls dial PORT NAME CA CHAIN KEY    asks a server at the loopback for its root page, prints the answer
//	go_tls verify CA CHAIN NAME           verifies a chain for every purpose its leaf states
//	go_tls lists CAS LISTS                verifies revocation lists, each by one of CAS, prints the serials on them
//	go_tls request FILE                   verifies a certification request, prints its names
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("serve, dial, verify, lists or request"))
	}
	switch args := os.Args[2:]; os.Args[1] {
	case "serve":
		serve(args[0], args[1], args[2])
	case "dial":
		dial(args[0], args[1], args[2], args[3], args[4])
	case "verify":
		verify(args[0], args[1], args[2])
	case "lists":
		lists(args[0], args[1])
	case "request":
		request(args[0])
	default:
		fail(fmt.Errorf("serve, dial, verify, lists or request"))
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func must[T any](value T, err error) T {
	if err != nil {
		fail(err)
	}
	return value
}

func pool(file string) *x509.CertPool {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(must(os.ReadFile(file))) {
		fail(fmt.Errorf("%s holds no certificate that Go reads", file))
	}
	return roots
}

func serve(ca, chain, key string) {
	pair := must(tls.LoadX509KeyPair(chain, key))
	listener := must(tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{pair},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    pool(ca),
	}))
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	fail(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "hello")
	})))
}

func dial(port, name, ca, chain, key string) {
	pair := must(tls.LoadX509KeyPair(chain, key))
	transport := &http.Transport{TLSClientConfig: &tls.Config{
		Certificates: []tls.Certificate{pair},
		RootCAs:      pool(ca),
		ServerName:   name,
	}}
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	request := must(http.NewRequest("GET", "https://127.0.0.1:"+port+"/", nil))
	request.Host = name + ":" + port
	response := must(client.Do(request))
	fmt.Print(string(must(io.ReadAll(response.Body))))
}

func blocks(file string) (found [][]byte) {
	for rest := must(os.ReadFile(file)); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return
		}
		found = append(found, block.Bytes)
	}
}

func verify(ca, chain, name string) {
	intermediates := x509.NewCertPool()
	var leaf *x509.Certificate
	for _, der := range blocks(chain) {
		certificate := must(x509.ParseCertificate(der))
		if leaf == nil {
			leaf = certificate
		} else {
			intermediates.AddCert(certificate)
		}
	}
	for _, purpose := range leaf.ExtKeyUsage {
		must(leaf.Verify(x509.VerifyOptions{
			DNSName:       name,
			Roots:         pool(ca),
			Intermediates: intermediates,
			KeyUsages:     []x509.ExtKeyUsage{purpose},
		}))
	}
	fmt.Println("ok")
}

func lists(cas, file string) {
	for _, der := range blocks(file) {
		list := must(x509.ParseRevocationList(der))
		var verdict error = fmt.Errorf("a list is signed by none of the CAs")
		for _, ca := range blocks(cas) {
			if err := list.CheckSignatureFrom(must(x509.ParseCertificate(ca))); err == nil {
				verdict = nil
			}
		}
		if verdict != nil {
			fail(verdict)
		}
		for _, entry := range list.RevokedCertificateEntries {
			fmt.Printf("%x %d\n", entry.SerialNumber, entry.ReasonCode)
		}
	}
}

func request(file string) {
	for _, der := range blocks(file) {
		asked := must(x509.ParseCertificateRequest(der))
		if err := asked.CheckSignature(); err != nil {
			fail(err)
		}
		fmt.Println(asked.Subject, asked.DNSNames, asked.IPAddresses, asked.URIs, asked.EmailAddresses)
	}
}
