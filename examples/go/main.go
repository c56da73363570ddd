// A digit's latent and new digits, with Go's standard library alone:
//
//	go run examples/go/main.go http://127.0.0.1:8000 docs/seven.png
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
)

type encoding struct {
	Model string
	Mean  [][]float64
}

func main() {
	url, picture := os.Args[1], os.Args[2]
	png, err := os.ReadFile(picture)
	check(err)

	request, err := http.NewRequest("POST", url+"/encode", bytes.NewReader(png))
	check(err)
	request.Header.Set("Content-Type", "image/png")
	var latent encoding
	check(json.Unmarshal(answer(request), &latent))
	fmt.Println(latent.Model, "mean", latent.Mean[0][:3])

	request, err = http.NewRequest("GET", url+"/sample?label=7&count=16&seed=1", nil)
	check(err)
	request.Header.Set("Accept", "image/png")
	check(os.WriteFile("sevens.png", answer(request), 0o644))
	fmt.Println("saved sevens.png")
}

// answer gives the body; a problem of the service ends the program with its code and detail.
func answer(request *http.Request) []byte {
	response, err := http.DefaultClient.Do(request)
	check(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	check(err)
	if response.StatusCode != http.StatusOK {
		log.Fatalf("%s %s", response.Status, body)
	}
	return body
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
